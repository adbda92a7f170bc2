# The two commands: `make course` runs the whole course, `make test` proves it (`make test-all` more slowly, to the end).
# DATASET=shapes|voc|own, DATA_ROOT=dir, MIRRORS=url, WEIGHTS=file and MODEL=name go to any of them;
# TORCH=cpu when the environment is made takes PyTorch's build without CUDA;
# MODEL_FILE=file to `make demo`, `make portfolio` and `make predict`, IMAGE=file or folder to `make predict`;
# SUBMISSIONS=dir, OUTPUT=dir, GRADEBOOK=file, COLUMN=title, SCALE=1, DUE=date, LATE=rule, EXTENSIONS=file,
# REMOVE=student, SCHEDULER=tcp://host:port and WORKERS=n to `make grade`.

PYTHON ?= python3
BIN := .venv/bin
# Where it is set, as in many containers, each process would compile the course again
unexport PYTHONDONTWRITEBYTECODE
export COURSE_DATASET := $(or $(DATASET),$(COURSE_DATASET))
export COURSE_DATA_ROOT := $(or $(if $(DATA_ROOT),$(abspath $(DATA_ROOT))),$(COURSE_DATA_ROOT))
export COURSE_WEIGHTS := $(or $(if $(WEIGHTS),$(abspath $(WEIGHTS))),$(COURSE_WEIGHTS))
export COURSE_MODEL := $(or $(MODEL),$(COURSE_MODEL))
export COURSE_MIRRORS := $(or $(MIRRORS),$(COURSE_MIRRORS))

help:
	@echo "make course    run the five solution notebooks, write build/course/"
	@echo "make demo      your model on a web page that needs no server, build/demo/index.html; MODEL_FILE=file: another"
	@echo "make predict   what the model sees in IMAGE=photo.jpg, or a folder of them: masks in build/predictions/"
	@echo "make check     lint and the quick tests, in less than a minute"
	@echo "make test      lint, the notebooks' stored outputs and all tests but those of the course as a whole"
	@echo "make test-all  the same, then those too: a student's hour in a browser, whole classes, every attack"
	@echo "make test-colab  run notebooks and widgets in an environment like Google Colab's"
	@echo "make lab       open the student notebooks in JupyterLab"
	@echo "make release   write notebooks/ from solutions/"
	@echo "make grade     grade the submissions in SUBMISSIONS=dir, write build/grades/; with GRADEBOOK=file from Canvas or"
	@echo "               Moodle, the marks are filled in there: COLUMN=title, SCALE=1 (docs/canvas.md, docs/moodle.md);"
	@echo "               DUE=date, LATE=rule and EXTENSIONS=file are for late work (docs/instructors.md)"
	@echo "make gradescope  an autograder for each notebook, to be uploaded to Gradescope, in build/gradescope/"
	@echo "make bench     measure everything that the documents claim"
	@echo "make annotations  your own data: FOLDER=photos, annotated with labelme or others, becomes data/own (TO=folder)"
	@echo "make portfolio  your own page to show, build/portfolio.html: NAME=\"Your Name\"; with the demo inside, if there is one"
	@echo "make site      the course as pages to read, in build/site/; with the page of make demo, if there is one"
	@echo "make outputs   run the solutions and store their outputs in solutions/; ONLY=05_evaluation: of one notebook"
	@echo "make notebook  run one solution notebook, N=1 to 5, on what \`make course\` has left in build/course/"

# Where a model is trained, glibc keeps the memory of tensors up to 8 MB, in pages of 2 MB, and does not ask for it at
# each step; larger ones would leave holes that grow through an epoch
course outputs notebook bench lab: export MALLOC_MMAP_THRESHOLD_ := 8388608
course outputs notebook bench lab: export MALLOC_TRIM_THRESHOLD_ := 68719476736
course outputs notebook bench lab: export GLIBC_TUNABLES := glibc.malloc.hugetlb=1

course: .venv/ready
	@$(BIN)/python -m tools.course

outputs: .venv/ready
	@$(BIN)/python -m tools.course --store $(if $(ONLY),--only $(ONLY))

notebook: .venv/ready
	@$(BIN)/python -m tools.course --only "$(N)"

release: .venv/ready
	@$(BIN)/python -m tools.release

# Other options: python -m tools.demo --help
demo: .venv/ready
	@$(BIN)/python -m tools.demo $(if $(MODEL_FILE),--model "$(MODEL_FILE)")

# Other options, for labelme too: python -m tools.predict --help
predict: .venv/ready
	$(if $(IMAGE),,$(error predict: expected IMAGE=photo.jpg or a folder of photographs, found none))
	@$(BIN)/python -m tools.predict "$(IMAGE)" $(if $(MODEL_FILE),--model "$(MODEL_FILE)")

# Without SUBMISSIONS what was handed in before is graded again. tests/golden, a small class with known marks, is a
# rehearsal: in a folder of its own, and compared at the end
REHEARSAL := $(filter tests/golden,$(SUBMISSIONS:%/=%))
OUTPUT ?= $(if $(REHEARSAL),build/rehearsal,build/grades)
grade: .venv/ready $(REHEARSAL)
	@SCHEDULER=$(SCHEDULER) $(BIN)/python -m grading.grade $(if $(SUBMISSIONS),"$(SUBMISSIONS)") \
		--output "$(OUTPUT)" $(if $(REMOVE),--remove "$(REMOVE)") $(if $(WORKERS),--workers $(WORKERS)) \
		$(if $(GRADEBOOK),--gradebook "$(GRADEBOOK)") $(if $(COLUMN),--column "$(COLUMN)") $(if $(SCALE),--scale) \
		$(if $(DUE),--due "$(DUE)") $(if $(LATE),--late "$(LATE)") $(if $(EXTENSIONS),--extensions "$(EXTENSIONS)")
	@$(if $(REHEARSAL),$(BIN)/python -m tests.support.golden tests/golden "$(OUTPUT)")

tests/golden: tests/support/golden.py $(wildcard notebooks/*/*.ipynb) | .venv/ready
	$(BIN)/python -m tests.support.golden $@

# Other options: python -m tools.annotations --help
TO ?= data/own
annotations: .venv/ready
	$(if $(FOLDER),,$(error annotations: expected FOLDER=photos, found none))
	@$(BIN)/python -m tools.annotations "$(FOLDER)" --to "$(TO)"

portfolio: .venv/ready
	@$(BIN)/python -m tools.portfolio "$(NAME)" $(if $(MODEL_FILE),--model "$(MODEL_FILE)")

site: .venv/ready build/example/report.html
	@$(BIN)/python -m tools.site --report build/example/report.html

# A class that the site shows the report of, made up
build/example/report.html: tests/support/classroom.py $(wildcard grading/report/*.py grading/report/templates/* \
		helpers/exercises/*.py tests/exercises/*.py) | .venv/ready
	@$(BIN)/python -m tests.support.classroom $@

gradescope: .venv/ready
	@$(BIN)/python -m tools.gradescope

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

test test-all: export COURSE_DATASET :=
test test-all: export COURSE_DATA_ROOT :=
test test-all: export COURSE_WEIGHTS :=
test test-all: export COURSE_MODEL :=
test test-all: export COURSE_MIRRORS :=
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup
test: lint
	rm -rf build/nbval
	COURSE_OUTPUT=$(abspath build/nbval) $(BIN)/python -m pytest -q -p no:cacheprovider -p tests.support.nbval_html \
		--nbval --nbval-sanitize-with tests/support/nbval_sanitize.cfg --nbval-cell-timeout 900 solutions
	$(PYTEST) -m "not acceptance"

# Those that tests/conftest.py lists
test-all: test
	$(PYTEST) -m acceptance

# An environment with Google Colab's versions; with its Python too: make test-colab COLAB_PYTHON=python3.13
COLAB_PYTHON ?= $(PYTHON)
test-colab: .venv/ready .venv-colab/ready
	rm -rf build/colab
	COURSE_OUTPUT=$(abspath build/colab) .venv-colab/bin/python -m pytest -p no:cacheprovider \
		--nbval-lax --nbval-current-env --nbval-cell-timeout 900 solutions
	COLAB_VENV=$(abspath .venv-colab) $(BIN)/python -m pytest tests/colab

.venv-colab/ready: tests/colab/requirements.txt
	@PYTHON=$(COLAB_PYTHON) tools/environment.sh .venv-colab $<

.venv/ready: requirements.txt
	@PYTHON=$(PYTHON) TORCH=$(TORCH) tools/environment.sh .venv $<

.PHONY: help portfolio site annotations course demo predict outputs notebook release grade gradescope bench lab lint \
	check test test-all test-colab
