"""The jail, and the executor that comes back with a definite result."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grading.run import bubblewrap, jail, kernel, seccomp
from grading.run.execute import JailedExecute
from grading.run.limits import WORK
from helpers.settings import ROOT


@pytest.fixture
def jailed(bubblewrap):
    pass


def python(code, *, files=None, **limits):
    return jail.run([sys.executable, "-c", code], files, jail.Limits(**{"wall": 60, **limits}))


# ---- what holds ----

def test_what_must_fail_fails(jailed, capsys):
    jail.check()
    assert capsys.readouterr().out.count("refused:") == len(jail.ESCAPES)


def test_a_jail_that_does_not_hold_is_told(jailed, monkeypatch):
    monkeypatch.setattr(jail, "ESCAPES", {"arithmetic": "1 + 1"})
    with pytest.raises(jail.JailError, match="does not hold: arithmetic"):
        jail.check()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_has_the_same_jail(jailed, tmp_path):
    reachable = [word for prefix in {sys.prefix, sys.base_prefix, str(ROOT)}
                 for word in ("--ro-bind", prefix, prefix)]
    home, parents = Path.home(), Path(sys.base_prefix).parents  # root's own folder is closed to others
    hidden = ["--tmpfs", str(home)] if home in parents else []
    for parent in reversed(parents):
        hidden += ["--dir", str(parent)] if home in parent.parents else []
    run = subprocess.run(
        ["bwrap", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--dev-bind", "/", "/", *hidden, *reachable,
         "--", "setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "--inh-caps=-all",
         "env", "HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1", sys.executable, "-m", "grading.run.jail"],
        capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.count("refused:") == len(jail.ESCAPES), run.stdout + run.stderr


def test_an_environment_below_tmp_is_there_in_a_jail_too(jailed):
    """Over /tmp a memory file system is laid, and a checkout may well be there."""
    code = ("import sys, tests.grading.test_jail as t; "
            "made = t.executed(('one', 'import sys; assert \"torch\" in sys.modules; import nbgrader; '"
            "'assert sys.prefix == \"/tmp/elsewhere\"'), "
            "('two', 'open(sys.prefix + \"/x\", \"w\")')); "
            "print(t.fate(made), [o.get('evalue', '') for o in made.cells[1].outputs])")
    # a new /tmp, with the environment moved there
    run = subprocess.run(["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/tmp", "--bind", sys.prefix, "/tmp/elsewhere",
                          "--bind", str(ROOT), str(ROOT),  # which may lie below /tmp too
                          "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--",
                          "env", f"PYTHONPATH={ROOT}", "/tmp/elsewhere/bin/python", "-c", code],
                         capture_output=True, text=True, cwd="/")
    assert "['ok', 'OSError']" in run.stdout and "Read-only" in run.stdout, run.stdout + run.stderr


def test_files_are_seen_where_they_are_asked_for_and_cannot_be_changed(jailed, tmp_path):
    given = tmp_path / "given.txt"
    given.write_text("hello")
    given.chmod(0o600)  # for the grader alone
    with given.open("rb") as file:
        run = python(f"print(open('{WORK}/given.txt').read()); open('{WORK}/given.txt', 'a')",
                     files={f"{WORK}/given.txt": file})
    assert run.stdout == "hello\n" and "Read-only" in run.stderr and given.read_text() == "hello"


def test_the_environment_is_made_anew(jailed, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("COURSE_SEED", "77")
    seen = json.loads(python("import json, os; print(json.dumps(dict(os.environ)))").stdout)
    assert seen["COURSE_SEED"] == "77" and "SECRET" not in seen and seen["HOME"] == "/tmp/home"


# ---- limits ----

def test_too_much_memory_ends_the_jail_with_a_reason(jailed):
    run = python("x = [bytearray(b'x' * 10_000_000) for _ in range(10_000)]", memory=300 * 2 ** 20)
    assert run.returncode in jail.EXCEEDED and jail.EXCEEDED[run.returncode][0] == "MemoryUp"
    assert "0.3 GB" in run.stderr


def test_memory_of_all_processes_counts_together(jailed):
    code = "import os, time\nfor _ in range(5): os.fork() == 0 and (x := b'x' * 100_000_000) and time.sleep(100)\n"
    run = python(code + "time.sleep(100)", memory=300 * 2 ** 20)
    assert jail.EXCEEDED[run.returncode][0] == "MemoryUp"


def test_too_much_time_ends_the_jail_with_a_reason(jailed):
    run = python("import time; time.sleep(100)", wall=1)
    assert jail.EXCEEDED[run.returncode][0] == "TimeUp" and "1 s" in run.stderr


def test_nothing_lives_on_when_a_limit_has_ended_the_jail(jailed, monkeypatch):
    python("")  # the parent of jails, which lives on, must not have the name
    monkeypatch.setenv("COURSE_SEED", str(800_000_000 + os.getpid()))
    python("import subprocess, time; subprocess.Popen(['sleep', '77']); time.sleep(77)", wall=1)
    for _ in range(20):
        left = living(800_000_000 + os.getpid())
        if not left:
            break
        time.sleep(0.1)
    assert not left


def test_nothing_of_a_jail_is_alive_once_kill_has_returned(jailed):
    for _ in range(8):
        process = jail.start(("builtins:exec", "import time; held = bytearray(900_000_000); time.sleep(100)"))
        inside = psutil.Process(process.pid).children(recursive=True)
        assert inside
        for _ in range(100):
            if inside[0].memory_info().rss > 900_000_000:
                break
            time.sleep(0.1)
        process.kill()
        assert psutil.wait_procs(inside, timeout=0)[1] == []


def test_too_many_files_end_the_jail_with_a_reason(jailed):
    run = python(
        "import os, time\nfor n in range(10 ** 4):\n try: os.mkdir(f'/tmp/{n}')\n except OSError: time.sleep(1)",
        entries=500,
    )
    assert jail.EXCEEDED[run.returncode][0] == "DiskFull"


def test_the_disk_is_memory_and_bounded(jailed):
    run = python("open('/tmp/x', 'wb').write(bytes(50_000_000))", disk=10 * 2 ** 20)
    assert "No space left" in run.stderr or jail.EXCEEDED[run.returncode][0] == "DiskFull"


def test_output_is_cut(jailed):
    run = python("print('x' * 10_000_000)", output=1000)
    assert run.stdout == "x" * 1000


def test_processes_are_bounded_for_root_too(jailed):
    run = python("import subprocess\nall = [subprocess.Popen(['sleep', '9']) for _ in range(99)]", processes=20)
    assert "Resource temporarily unavailable" in run.stderr


def test_a_strangers_exit_status_is_no_reason(jailed):
    assert python("import os; os._exit(101)").returncode == 1


# ---- where there is no jail ----

@pytest.fixture
def anew(monkeypatch):
    jail.require.cache_clear()
    yield monkeypatch
    jail.require.cache_clear()


def fake(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_bubblewrap_that_the_system_forbids_is_told_in_one_line_with_the_cure(anew, tmp_path):
    fake(tmp_path, "bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    anew.setenv("PATH", str(tmp_path))
    with pytest.raises(jail.JailError, match="uid map.*apparmor_restrict_unprivileged_userns") as error:
        jail.require()
    assert "\n" not in str(error.value)


def test_without_a_jail_grading_refuses_in_one_line(anew, tmp_path):
    anew.setenv("PATH", str(tmp_path))
    with pytest.raises(jail.JailError, match="bubblewrap.*virtual machine or a devcontainer") as error:
        jail.require()
    assert "\n" not in str(error.value)


# ---- parts ----

def test_only_a_plain_file_of_bearable_size_is_taken_as_model(tmp_path, monkeypatch):
    plain = tmp_path / "plain"
    plain.write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to(plain)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")

    def taken(name):
        with jail.model_file(tmp_path / name) as file:
            return file is not None
    assert taken("plain")
    assert not any(map(taken, ("link", "folder", "fifo", "missing")))
    monkeypatch.setattr(jail, "MODEL_SIZE", 99)
    assert not taken("plain")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_jump_of_the_filter_lands_inside_it(machine, monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: machine)
    program = seccomp.program()
    code = [seccomp.struct.unpack("HBBI", program[at:at + 8]) for at in range(0, len(program), 8)]
    for at, (what, yes, no, _) in enumerate(code):
        assert at + 1 + max(yes, no) < len(code) or what == 6
    assert code[-1] == (6, 0, 0, 0x7FFF0000)


def test_a_machine_without_a_filter_gets_none(monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    assert seccomp.program() is None


# ---- a definite result ----

def notebook(*cells):
    """Each cell is code, or (grade id, code) of a graded one."""
    made = new_notebook()
    for cell in cells:
        grade_id, code = cell if isinstance(cell, tuple) else (None, cell)
        made.cells.append(new_code_cell(code, id=f"student-{len(made.cells)}"))
        if grade_id:
            made.cells[-1].metadata["nbgrader"] = {"grade": True, "solution": False, "grade_id": grade_id, "points": 1}
    return made


def executed(*cells, **settings):
    made, _ = JailedExecute(**{"timeout": 20, **settings}).preprocess(notebook(*cells), {})
    nbformat.validate(made)
    return made


def fate(made):
    """Of each cell: "ok", or the name of its error."""
    return [next((output.ename for output in cell.outputs if output.output_type == "error"), "ok")
            for cell in made.cells]


def test_an_answer_that_kills_costs_only_itself(jailed):
    made = executed("x = 1", ("one", "assert x == 1"), "def f(): import os; os._exit(0)", ("two", "f()"),
                    "y = x + 1", ("three", "assert y == 2"))
    assert fate(made) == ["ok", "ok", "ok", "KernelDied", "ok", "ok"]
    assert made.metadata["course"]["problem"] == "This cell was stopped: it ended the Python process."


@pytest.mark.parametrize("parent", [{}, {"msg_id": None}, {"msg_id": []}])
def test_a_message_that_answers_nobody_is_passed_over(jailed, parent):
    send = ("kernel = get_ipython().kernel\n"
            f"kernel.session.send(kernel.iopub_socket, 'status', {{'execution_state': 'starting'}}, parent={parent})")
    made = executed(send, ("one", f"{send}\nassert True"), ("two", "assert True"))
    assert fate(made) == ["ok", "ok", "ok"]


def test_what_ran_before_a_death_keeps_its_outputs(jailed):
    made = executed("print('first'); import random; print(random.random())", "import os; os._exit(0)", ("one", "0"))
    assert made.cells[0].outputs[0].text.startswith("first") and len(made.cells[0].outputs) == 1


def test_a_cell_past_its_time_is_stopped_and_the_kernel_lives(jailed):
    made = executed("x = 1", ("slow", "while True: pass"), ("one", "assert x == 1"), timeout=1)
    assert fate(made) == ["ok", "KeyboardInterrupt", "ok"]
    assert made.cells[1].outputs[-1].ename == "TimeUp"


def test_a_cell_that_swallows_interrupts_is_ended(jailed):
    swallow = "import time\nwhile True:\n    try:\n        while True: time.sleep(1)\n    except BaseException: pass"
    made = executed("x = 1", ("stubborn", swallow), ("one", "assert x == 1"), timeout=1)
    assert fate(made) == ["ok", "TimeUp", "ok"]


def test_the_clock_of_the_whole_submission_ends_it_with_a_reason(jailed):
    made = executed(("one", "0"), "import time; time.sleep(100)", ("two", "0"), ("three", "0"), limits={"wall": 4})
    assert fate(made)[0] == "ok" and fate(made)[2:] == ["TimeUp", "TimeUp"]
    assert "submission took longer than it may" in made.cells[3].outputs[-1].evalue


def test_restarts_are_counted(jailed):
    made = executed(*["import os; os._exit(0)"] * 3, ("one", "0"), restarts=1)
    assert fate(made) == ["KernelDied", "KernelDied", "ok", "KernelDied"]


def test_each_memory_and_output_bound_is_named(jailed):
    made = executed("x = [bytearray(b'x' * 10_000_000) for _ in range(10_000)]", ("loud", "print('x' * 5_000_000)"),
                    ("one", "0"), limits={"memory": 2 ** 30, "output": 100_000})
    assert fate(made) == ["MemoryUp", "OutputTooLong", "ok"]
    assert len(json.dumps(made)) < 1_000_000


def test_loud_cells_leave_graded_ones_their_outputs(jailed):
    made = executed("print('x' * 50_000)", "print('x' * 50_000)", "print('x' * 50_000)", ("one", "print('y')"),
                    total_output=100_000)
    assert [len(cell.outputs) for cell in made.cells] == [1, 0, 0, 1]


def test_active_content_is_left_out(jailed):
    made = executed("from IPython.display import display, HTML, Javascript, SVG\n"
                    "display(HTML('<script>'), Javascript('1'), {'text/markdown': 'x'})\n"
                    "display({'image/png': '\"><script>'}, raw=True)", ("one", "0"))
    assert {mime for output in made.cells[0].outputs for mime in output.data} == {"text/plain"}


def test_a_kernel_that_does_not_start_is_nobodys_fault(jailed, monkeypatch):
    monkeypatch.setattr(kernel, "_CHANNELS", ("shell",))  # so it is told of no other
    with pytest.raises(jail.JailError, match="expected a kernel"):
        executed(("one", "0"), startup_timeout=5)


def living(seed):
    """The names of the processes that were started with a seed of their own, while they live."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("COURSE_SEED") == str(seed):
                found.append(process.name())
        except psutil.Error:
            pass
    return found


def test_a_jail_does_not_outlive_a_grader_that_is_killed(jailed, tmp_path):
    seed = 900_000_000 + os.getpid()
    cell = "import subprocess, time; subprocess.Popen(['sleep', '500']); time.sleep(500)"
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from tests.grading.test_jail import executed; "
            f"executed(('one', {cell!r}))")
    environment = os.environ | {"COURSE_SEED": str(seed), "TMPDIR": str(tmp_path)}
    grader = subprocess.Popen([sys.executable, "-c", code, str(ROOT)], env=environment)
    try:
        for _ in range(600):
            if "sleep" in living(seed):
                break
            time.sleep(0.1)
        assert "sleep" in living(seed)
    finally:
        grader.send_signal(signal.SIGKILL)
        grader.wait()
    for _ in range(100):
        if not living(seed):
            break
        time.sleep(0.1)
    assert not living(seed)
    shutil.rmtree(tmp_path)


# ---- what others load too ----

def test_the_config_changes_no_environment_variable_and_no_file_of_the_environment():
    """JupyterLab loads it too, and two checkouts may share one environment."""
    code = ("import os; before = dict(os.environ); from grading import course; course.config(); "
            "assert os.environ == before, set(os.environ.items()) ^ set(before.items())")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert not list(Path(sys.prefix, "share", "jupyter", "kernels").glob("*jail*"))


def test_notebooks_run_on_the_embedded_data_whatever_models_are_judged_on(monkeypatch):
    monkeypatch.setenv("COURSE_DATASET", "voc")
    monkeypatch.setenv("COURSE_DATA_ROOT", "/elsewhere")
    inside = bubblewrap.environment()
    assert inside.get("COURSE_DATASET", "shapes") == "shapes" and "/elsewhere" not in inside.values()
