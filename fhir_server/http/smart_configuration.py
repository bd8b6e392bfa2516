"""`/.well-known/smart-configuration`: how a client gets a token here.

https://hl7.org/fhir/smart-app-launch/STU2/conformance.html

It says what is there: client credentials today, the launch flows once they are.
"""

from __future__ import annotations

from typing import Any, Final

from fhir_server.smart.scopes import VERBS

METHODS: Final = ("client_secret_basic", "client_secret_post")


def smart_configuration(base: str) -> dict[str, Any]:
    """Return the document for the FHIR API at `base`; the token endpoint lies beside it."""
    root = base.rpartition("/")[0]
    return {
        "issuer": base,
        "token_endpoint": f"{root}/auth/token",
        "token_endpoint_auth_methods_supported": list(METHODS),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": [f"system/*.{''.join(VERBS)}", "system/*.rs"],
        "capabilities": ["client-confidential-symmetric", "permission-v1", "permission-v2"],
    }
