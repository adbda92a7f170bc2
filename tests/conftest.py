"""Which tests take the course as a whole, what tests share, and the suite's closing line: how many of the bank's
answers were judged right."""

import os

import pytest

from tests.support import missing

# The course as a whole, in classes, browsers, kernels, containers and copies, and what ends by a clock or a kill:
# they take long, and are for `make test-all`
ACCEPTANCE = (
    "tests/attacks/",
    "tests/browser/",
    "tests/exercises/test_in_a_kernel.py",
    "tests/exercises/test_misconceptions.py::test_a_wrong_answer_is_named[seeds_2",
    "tests/exercises/test_misconceptions.py::test_a_right_answer_passes[seeds_2",
    "tests/grading/test_book.py::test_a_class_of_forty",
    "tests/grading/test_examine.py::test_own_cells_that_train_for_minutes",
    "tests/grading/test_feedback.py::test_everybody_can_read",
    "tests/grading/test_golden.py",
    "tests/grading/test_grade.py",
    "tests/grading/test_gradescope.py",
    "tests/grading/test_jail.py::test_a_jail_does_not_outlive",
    "tests/grading/test_jail.py::test_an_environment_below_tmp",
    "tests/grading/test_jail.py::test_an_ordinary_user",
    "tests/grading/test_judge.py::test_a_right_answer",
    "tests/grading/test_one.py::test_a_run_that_is",
    "tests/grading/test_report.py::test_a_thousand_students",
    "tests/grading/test_report.py::test_everybody_can_read",
    "tests/grading/test_report.py::test_students_who_each_wrote",
    "tests/grading/test_styles.py",
    "tests/helpers/test_kills.py",
    "tests/helpers/test_notebook.py::test_a_figure_that_needs",
    "tests/helpers/test_notebook.py::test_after_a_restart",
    "tests/helpers/test_notebook.py::test_in_a",
    "tests/helpers/test_notebook.py::test_the_same_in_a_students_own_code",
    "tests/notebooks/test_adding.py",
    "tests/tools/test_pages.py",
    "tests/tools/test_portfolio.py",
    "tests/tools/test_site.py",
    "tests/tools/test_your_own_data.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(ACCEPTANCE):
            item.add_marker("acceptance")


def pytest_xdist_auto_num_workers():
    """One more than there are cores: many a test waits, for a clock or for a browser."""
    return os.cpu_count() + 1


@pytest.fixture(autouse=True)
def environment():
    """The grader tells its kernels by environment variables what to draw and where to write; no test sees another's."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def bubblewrap():
    """The jail, ready; where there is none the test is skipped with the reason, and fails in CI."""
    from grading.run import jail
    try:
        jail.require()
    except jail.JailError as error:
        missing(str(error))


@pytest.fixture
def the_judge(bubblewrap):
    """The judge of this process, which answers in its jail."""
    from grading.mark import examine
    return examine.the_judge()


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A model and its ONNX file, for all tests of xdist's group "onnx": to export it takes seconds."""
    from tests.support import demo_page
    return demo_page.trained(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="session")
def demo_file(exported, tmp_path_factory):
    """The demo page around `exported`."""
    from tools import demo
    target = tmp_path_factory.mktemp("demo") / "index.html"
    demo.build(exported[1], target)
    return target


def pytest_terminal_summary(terminalreporter):
    counts = {}
    for name in ("wrong_answer_is_named", "right_answer_passes"):
        passed = {}  # an answer, whatever the seeds
        for outcome in ("passed", "failed", "error"):
            for report in terminalreporter.stats.get(outcome, []):
                test, _, answer = report.nodeid.partition("[")
                if test == f"tests/exercises/test_misconceptions.py::test_a_{name}" and report.when == "call":
                    answer = answer.partition("-")[2]
                    passed[answer] = report.passed and passed.get(answer, True)
        counts[name] = f"{sum(passed.values())}/{len(passed)}"
    if set(counts.values()) != {"0/0"}:
        terminalreporter.write_line(f"misconceptions: wrong caught by name {counts['wrong_answer_is_named']}, "
                                    f"right passed {counts['right_answer_passes']}")
