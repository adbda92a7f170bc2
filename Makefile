# The two commands: `make course` runs the whole course, `make test` proves it.
# DATASET=shapes|voc|own, DATA_ROOT=dir, MIRRORS=url, WEIGHTS=file and MODEL=name go to any of them;
# SUBMISSIONS=dir, OUTPUT=dir, REMOVE=student, SCHEDULER=tcp://host:port, WORKERS=n to `make grade`.

PYTHON ?= python3
BIN := .venv/bin
export COURSE_DATASET := $(or $(DATASET),$(COURSE_DATASET))
export COURSE_DATA_ROOT := $(or $(if $(DATA_ROOT),$(abspath $(DATA_ROOT))),$(COURSE_DATA_ROOT))
export COURSE_WEIGHTS := $(or $(if $(WEIGHTS),$(abspath $(WEIGHTS))),$(COURSE_WEIGHTS))
export COURSE_MODEL := $(or $(MODEL),$(COURSE_MODEL))
export COURSE_MIRRORS := $(or $(MIRRORS),$(COURSE_MIRRORS))

help:
	@echo "make course    run the five solution notebooks, write build/course/"
	@echo "make check     lint and the quick tests, in less than a minute"
	@echo "make test      lint and every test"
	@echo "make test-colab  run notebooks and widgets in an environment like Google Colab's"
	@echo "make lab       open the student notebooks in JupyterLab"
	@echo "make release   write notebooks/ from solutions/"
	@echo "make grade     grade the submissions in SUBMISSIONS=dir, write build/grades/"
	@echo "make bench     measure everything that the documents claim"
	@echo "make annotations  your own data: FOLDER=photos, annotated with labelme or others, becomes data/own (TO=folder)"
	@echo "make outputs   run the solutions and store their outputs in solutions/; ONLY=05_evaluation: of one notebook"
	@echo "make notebook  run one solution notebook, N=1 to 5, on what \`make course\` has left in build/course/"

course: .venv/ready
	@$(BIN)/python -m tools.course

outputs: .venv/ready
	@$(BIN)/python -m tools.course --store $(if $(ONLY),--only $(ONLY))

notebook: .venv/ready
	@$(BIN)/python -m tools.course --only "$(N)"

release: .venv/ready
	@$(BIN)/python -m tools.release

# Without SUBMISSIONS what was handed in before is graded again. tests/golden, a small class with known marks, is a
# rehearsal: in a folder of its own, and compared at the end
REHEARSAL := $(filter tests/golden,$(SUBMISSIONS:%/=%))
OUTPUT ?= $(if $(REHEARSAL),build/rehearsal,build/grades)
grade: .venv/ready $(REHEARSAL)
	@SCHEDULER=$(SCHEDULER) $(BIN)/python -m grading.grade $(if $(SUBMISSIONS),"$(SUBMISSIONS)") \
		--output "$(OUTPUT)" $(if $(REMOVE),--remove "$(REMOVE)") $(if $(WORKERS),--workers $(WORKERS))
	@$(if $(REHEARSAL),$(BIN)/python -m tests.support.golden tests/golden "$(OUTPUT)")

tests/golden: tests/support/golden.py $(wildcard notebooks/*/*.ipynb) | .venv/ready
	$(BIN)/python -m tests.support.golden $@

# Other options: python -m tools.annotations --help
TO ?= data/own
annotations: .venv/ready
	$(if $(FOLDER),,$(error annotations: expected FOLDER=photos, found none))
	@$(BIN)/python -m tools.annotations "$(FOLDER)" --to "$(TO)"

bench: .venv/ready
	@$(BIN)/python -m benchmarks $(ONLY)

# tools/lab switches nbgrader's menus off: they are for instructors
lab: .venv/ready
	JUPYTER_CONFIG_PATH="$(CURDIR)/tools/lab" $(BIN)/jupyter lab notebooks

lint: .venv/ready
	$(BIN)/ruff check

# What most changes break, without jail, browser and training: imports, records, notebooks, checks, metrics, transforms,
# models. A new exercise in a copy of the course (test_adding) takes longer than all of them
QUICK := tests/support/test_imports.py $(filter-out %/test_adding.py,$(wildcard tests/notebooks/test_*.py)) \
	tests/exercises/test_completeness.py tests/exercises/test_checks.py \
	$(patsubst %,tests/helpers/test_%.py,metrics transforms settings models requirements)
check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(QUICK)

test: export COURSE_DATASET :=
test: export COURSE_DATA_ROOT :=
test: export COURSE_WEIGHTS :=
test: export COURSE_MODEL :=
test: export COURSE_MIRRORS :=
test: lint
	rm -rf build/nbval
	COURSE_OUTPUT=$(abspath build/nbval) $(BIN)/python -m pytest -q -p no:cacheprovider \
		--nbval --nbval-sanitize-with tests/support/nbval_sanitize.cfg --nbval-cell-timeout 900 solutions
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup

# An environment with Google Colab's versions; with its Python too: make test-colab COLAB_PYTHON=python3.13
COLAB_PYTHON ?= $(PYTHON)
test-colab: .venv/ready .venv-colab/ready
	rm -rf build/colab
	COURSE_OUTPUT=$(abspath build/colab) .venv-colab/bin/python -m pytest -p no:cacheprovider \
		--nbval-lax --nbval-current-env --nbval-cell-timeout 900 solutions
	COLAB_VENV=$(abspath .venv-colab) $(BIN)/python -m pytest tests/colab

.venv-colab/ready: tests/colab/requirements.txt
	$(COLAB_PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check -r tests/colab/requirements.txt
	@touch $@

.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.PHONY: help annotations course outputs notebook release grade bench lab lint check test test-colab
