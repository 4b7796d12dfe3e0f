# The interpreter that makes .venv: any Python from 3.11 on, `make PYTHON=python3.12 setup`.
PYTHON = python3
# More arguments for the command behind test, bench, deploy and lock: `make test ARGS="-k urls -x"`.
ARGS =

VENV = .venv
RUN = $(VENV)/bin/python -m
INSTALLED = $(VENV)/.installed

.PHONY: setup demo test bench browse scrapyd deploy lint format lock clean

setup: $(INSTALLED)

# The pinned sets are complete, so pip has nothing to resolve (older ones fail at lxml's extras).
$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("rfinews needs Python 3.11 or newer: make setup PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.txt
	@touch $@

demo: setup
	$(RUN) fixtures.demo

test: setup
	$(RUN) pytest --numprocesses auto --dist loadfile $(ARGS)

bench: setup
	$(RUN) tests.benchmarks $(ARGS)

# A loaded database as pages on 127.0.0.1: `make browse DB=rfi.db ARGS="--port 8080"`.
DB = data/rfi.db
browse: setup
	@$(VENV)/bin/scrapy browse "$(DB)" $(ARGS)

# Scrapyd on loopback; its own files are in data/scrapyd, the articles in data/. Named scrapy.cfg, its
# configuration is the one it finds: else it would read the clone's, and list a project `default`.
# Each job would warn that Scrapyd uses pkg_resources. Without a pidfile, because one that a killed
# Scrapyd has left keeps the next from starting.
scrapyd: setup
	@test -n "$$SCRAPYD_PASSWORD" || { echo "make scrapyd: SCRAPYD_PASSWORD is not set; whoever may use Scrapyd can run any code" >&2; exit 2; }
	@mkdir -p data/scrapyd
	@cp rfinews/deploy/scrapyd.conf data/scrapyd/scrapy.cfg
	cd data/scrapyd && exec env RFINEWS_DATA_DIR="$${RFINEWS_DATA_DIR:-$(CURDIR)/data}" \
		PYTHONWARNINGS="ignore:pkg_resources is deprecated" ../../$(VENV)/bin/scrapyd --pidfile=

# To a target of scrapy.cfg, or to $SCRAPYD_URL. User and password: $SCRAPYD_USERNAME and
# $SCRAPYD_PASSWORD, or else ~/.netrc. scrapyd-deploy exits with 0 also where Scrapyd could not list the
# spiders of the egg.
TARGET = $(if $(SCRAPYD_URL),elsewhere,default)
export SCRAPYD_USERNAME ?= $(if $(value SCRAPYD_PASSWORD),rfinews)
deploy: setup
	$(VENV)/bin/scrapyd-deploy $(TARGET) $(ARGS) | awk '{ print } /"status": "ok"/ { ok = 1 } END { exit !ok }'

lint: setup
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

format: setup
	$(RUN) ruff check --fix
	$(RUN) ruff format

# Keeps the pinned versions that still fit pyproject.toml; `make lock ARGS=--upgrade` takes the newest.
# requirements.txt starts as a copy of the development set: what is tested is what crawls.
LOCK = $(RUN) uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
	--custom-compile-command "make lock" pyproject.toml

lock: setup
	$(RUN) pip install --quiet --disable-pip-version-check uv==0.13.9
	$(LOCK) --extra dev --output-file requirements-dev.txt $(ARGS)
	cp requirements-dev.txt requirements.txt
	$(LOCK) --output-file requirements.txt

# Leaves .venv and data/ alone.
clean:
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find rfinews tests fixtures -name __pycache__ -exec rm -rf {} +
