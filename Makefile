# Each target does its own set-up once; `make` alone lists the targets. GNU make 3.81 suffices.

# Your `python3` if it is new enough, otherwise the newest one installed.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; \
	done)
RUN = .venv/bin/python -m
PIP = $(RUN) pip install --quiet --disable-pip-version-check
PACKAGES = -e '.[all]' --group dev -c constraints.txt
READY = .venv/.sluicegate
# A process more than there are cores, since each often waits for its server, and at most four; only
# one on a Redis of yours, since it is a single database.
CORES = $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PROCESSES = -n $(if $(SLUICEGATE_TEST_REDIS_URL),0,$(shell echo $$(($(CORES) < 3 ? $(CORES) + 1 : 4))))
# Tests start hundreds of Python processes: none of them compiles the sources anew.
COMPILED = PYTHONDONTWRITEBYTECODE=
SHARED_OUT = $(PROCESSES) --dist loadfile --no-loadscope-reorder

# luacheck is not on PyPI. As root on Debian or Ubuntu, this installs it. Elsewhere `make lint` goes on
# without it, but in CI it fails.
define LUACHECK
if ! command -v luacheck >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	apt-get update -qq && apt-get install -qq -y lua-check >/dev/null; \
fi; \
if command -v luacheck >/dev/null; then exec luacheck --quiet producer worker ops; fi; \
echo "luacheck is missing, so the Lua scripts were NOT checked. Install it and run this again:" >&2; \
echo "    Debian, Ubuntu  sudo apt install lua-check" >&2; \
echo "    macOS           brew install luacheck" >&2; \
echo "    anywhere        luarocks install luacheck" >&2; \
[ -z "$$CI" ]
endef

# Of all that the tests in a browser take, those that the documents show.
PICTURES = paused-1440-light zones-1440-light who-failed-1440-light overview-1440-dark \
	who-failed-360-dark checked-360-light flower-overview-1440-light flower-overview-360-dark \
	flower-dead-360-light
SCREENS = tests/end_to_end/test_desk_browser.py tests/end_to_end/test_dashboard_live.py

.PHONY: help setup demo play limits bench bench-quick chaos test test-all screens lint clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## create .venv with everything in it (the other targets do this by themselves)

demo: $(READY) ## see the whole system work with a simulated Telnyx that throttles and fails
	@$(RUN) sluicegate_rigs.demo $(ARGS)

play: $(READY) ## run the demo and keep it running until Ctrl-C, for you to try things
	@$(RUN) sluicegate_rigs.demo --keep $(ARGS)

limits: $(READY) ## measure how well the rate limit is used; in two minutes: ARGS=--quick
	@$(RUN) sluicegate_rigs.limits $(ARGS)

bench: $(READY) .venv/.bench ## compare rates and costs with Celery, dramatiq, BullMQ and scripts; half an hour
	@$(RUN) sluicegate_rigs.bench $(ARGS)

bench-quick: $(READY) ## compare with Celery only, in two minutes
	@$(RUN) sluicegate_rigs.bench --quick $(ARGS)

chaos: $(READY) ## kill, freeze and restart all parts for 3 minutes, then account for every message
	@$(RUN) sluicegate_rigs.chaos $(if $(CHAOS_SECONDS),--seconds $(CHAOS_SECONDS)) $(ARGS)

test: $(READY) ## run the tests and check the coverage; only some: make test ARGS="-k retry"
	@$(COMPILED) $(if $(ARGS),,SLUICEGATE_TEST_COVERAGE=1) $(RUN) pytest $(or $(ARGS),$(SHARED_OUT))

test-all: $(READY) .venv/.browser ## run the slow tests too, with more examples of each property
	@$(COMPILED) SLUICEGATE_TEST_PROFILE=thorough $(RUN) pytest -m "" $(SHARED_OUT) $(ARGS)

screens: $(READY) .venv/.browser ## take the pictures of pages that the documents show; needs chromium
	@$(COMPILED) SLUICEGATE_SCREENS=build/screens $(RUN) pytest -n 0 -m long -k mouse $(SCREENS) $(ARGS)
	@mkdir -p docs/screens
	@cp $(PICTURES:%=build/screens/%.png) docs/screens/

lint: $(READY) ## check style, format, types, the Lua scripts, the documents and the spelling
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(RUN) pymarkdown --strict-config scan --respect-gitignore .
	@.venv/bin/codespell
	@$(LUACHECK)

clean: ## remove .venv and all generated files
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find producer worker ops tests examples -name __pycache__ -prune -exec rm -rf {} +

# What only tests in a browser need: axe-core, which a package for another library carries, and what
# makes pictures small. Without them those tests look less, and none fails.
.venv/.browser: $(READY)
	@$(PIP) --no-deps axe-playwright-python pillow -c constraints.txt
	@touch $@

# What only the bench needs: a peer, and the library that draws its charts.
.venv/.bench: $(READY)
	@$(PIP) 'dramatiq[redis]>=2.2,<3' 'matplotlib>=3.10' -c constraints.txt
	@touch $@

# Create .venv unless there is a working one, then install into it, with uv if you have it, as it is
# faster. --group needs pip 25.1.
$(READY): pyproject.toml constraints.txt
	@python="$(PYTHON)"; \
	if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		exit 0; \
	elif command -v uv >/dev/null; then \
		rm -rf .venv && exec uv venv --quiet --seed --python "$${python:->=3.11}" .venv; \
	elif ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "Sluicegate needs Python 3.11 or newer; $${python:-what is on your PATH} is not. Install one:"; \
		echo "    macOS                          brew install python@3.13"; \
		echo "    Debian 12, Ubuntu 24.04, newer sudo apt install python3 python3-venv"; \
		echo "    anywhere                       uv, which brings its own Python"; \
		echo "Or say where it is: make setup PYTHON=/path/to/python3.13"; \
		exit 1; \
	elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python comes without venv. On Debian and Ubuntu: sudo apt install python3-venv"; \
		exit 1; \
	else \
		exec "$$python" -m venv --clear .venv; \
	fi >&2
	@echo "Setting up .venv with $$(.venv/bin/python --version): about a minute, once"
	@if command -v uv >/dev/null; then \
		exec uv pip install --quiet --python .venv/bin/python $(PACKAGES); \
	else \
		$(PIP) --upgrade 'pip>=25.1' && exec $(PIP) $(PACKAGES); \
	fi
	@touch $@
