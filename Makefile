# The developer's whole interface. `make serve` and `make test` do all set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test check fix docs bench clients oracle clean

serve: $(VENV)/.installed
	@exec $(BIN)/medflow serve

test: $(VENV)/.dev
	$(BIN)/pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest

fix: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the generated page anew, then runs every example of the documentation.
docs: $(VENV)/.dev
	$(BIN)/python -c 'from medflow.settings_page import markdown; print(markdown(), end="")' > docs/settings.md
	$(BIN)/pytest tests/docs tests/architecture

# MedFlow beside its peers, in one run. `make bench QUICK=1` takes less than a minute.
bench: $(VENV)/.dev
	@$(PYTHON) -m venv build/peer && build/peer/bin/pip install --quiet --disable-pip-version-check -r tests/perf/requirements.txt \
	  || echo "The peer could not be installed; MedFlow is measured beside the bare driver only."
	@$(BIN)/python -m tests.perf $(if $(QUICK),--quick)
	@$(BIN)/python -m tests.perf.validation $(if $(QUICK),--quick)

# Foreign clients for the tests: DCMTK, a browser, fhir-kit-client. Never fails; without them their tests are skipped.
clients:
	@sh tools/install_clients.sh

# The validator of HL7 (Java 17, 113 MB): the judge beside ours in tests/conformance, skipped without it.
oracle:
	@sh tools/install_clients.sh oracle

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
