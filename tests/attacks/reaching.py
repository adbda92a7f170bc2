"""Ways to the answer key: the body of each function is what a student writes to get hold of the reference as `KEY`.

`MODULE` and `NAME` say where it is in the course, `ROOT` where the course is on the grader's machine. Code behind it
answers the exercise with `KEY`, or with nonsense where there is none.
"""
# ruff: noqa: E731, F821, F841

from tests.attacks import body

WAYS = {}


def way(function):
    WAYS[function.__name__] = body(function)
    return function


@way
def import_it():
    import importlib
    KEY = getattr(importlib.import_module(MODULE), NAME)


@way
def joined_strings():
    import helpers
    KEY = getattr(getattr(helpers, MODULE.split(".")[1]), NAME[:2] + NAME[2:])


@way
def resolve_name():
    import pkgutil
    KEY = pkgutil.resolve_name(f"{MODULE}:{NAME}")


@way
def pickle_names_it():
    import pickle
    KEY = pickle.loads(f"c{MODULE}\n{NAME}\n.".encode())


@way
def attrgetter():
    import importlib
    import operator
    KEY = operator.attrgetter(NAME)(importlib.import_module(MODULE))


@way
def globals_of_a_neighbour():
    import importlib
    module = importlib.import_module(MODULE)
    KEY = next(value.__globals__[NAME] for value in vars(module).values() if hasattr(value, "__globals__"))


@way
def the_percent_run_magic():
    get_ipython().run_line_magic("run", f"/course/{MODULE.replace('.', '/')}.py")
    KEY = globals()[NAME]


@way
def runpy_runs_it():
    import runpy
    KEY = runpy.run_module(MODULE)[NAME]


@way
def a_star_import():
    names = {}
    exec(f"from {MODULE} import *", names)
    KEY = names[NAME]


@way
def vars_in_a_loop():
    import importlib
    for name, value in vars(importlib.import_module(MODULE)).items():
        if name == NAME:
            KEY = value


@way
def what_a_check_wraps():
    from helpers import checks
    KEY = checks.__dict__[NAME].__wrapped__.__globals__[NAME]


@way
def all_loaded_modules():
    import sys
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("helpers") and NAME in vars(module):
            KEY = vars(module)[NAME]


@way
def exec_of_the_source():
    import importlib.util
    names = {"__name__": "x"}
    exec(open(importlib.util.find_spec(MODULE).origin).read(), names)
    KEY = names[NAME]


@way
def a_copy_of_the_file():
    import importlib.util
    import shutil
    import sys
    shutil.copy(importlib.util.find_spec(MODULE).origin, "copied.py")
    sys.path.insert(0, ".")
    import copied
    KEY = vars(copied)[NAME]


@way
def an_import_hook():
    import importlib.machinery
    for folder in (f"{ROOT}/helpers", f"{ROOT}", "/course", "/course/helpers", "/work"):
        try:
            loader = importlib.machinery.SourceFileLoader("other", f"{folder}/{MODULE.split('.')[-1]}.py")
            KEY = vars(loader.load_module())[NAME]
        except Exception:
            pass


@way
def the_bytecode():
    import importlib.util
    import marshal
    import types
    origin = importlib.util.find_spec(MODULE).origin
    code = marshal.loads(open(importlib.util.cache_from_source(origin), "rb").read()[16:])
    part = next(each for each in code.co_consts if isinstance(each, types.CodeType) and each.co_name == NAME)
    KEY = types.FunctionType(part, globals())


@way
def the_records():
    from helpers.exercises import EXERCISES
    KEY = EXERCISES[NAME].reference


@way
def the_record_of_its_module():
    import importlib
    KEY = importlib.import_module(f"helpers.exercises.{NAME}").EXERCISE.reference


@way
def the_old_tables_of_probes():
    from helpers import probes
    KEY = probes.PROBES[NAME].reference


@way
def all_objects_in_memory():
    import gc
    import types
    gc.unfreeze()
    KEY = next(each for each in gc.get_objects() if isinstance(each, types.FunctionType) and each.__name__ == NAME
               and each.__module__.startswith("helpers"))


@way
def all_referrers_of_torch():
    import gc

    import torch
    for names in gc.get_referrers(torch):
        if isinstance(names, dict) and str(names.get("__name__", "")).startswith("helpers") and NAME in names:
            KEY = names[NAME]


@way
def the_frames_above():
    import sys
    frame = sys._getframe()
    while frame:
        for names in (frame.f_locals, frame.f_globals):
            for name, value in list(names.items()):
                if name in (NAME, "reference", "wanted", "expected") and callable(value):
                    KEY = value
        frame = frame.f_back


@way
def the_task_that_came_over_the_channel():
    import sys
    frame = sys._getframe()
    while frame:
        task = frame.f_locals.get("task")
        if isinstance(task, dict):
            KEY = next(value for name, value in task.items() if name in ("reference", "answers", "wanted"))
        frame = frame.f_back


@way
def open_files():
    import os
    import re
    for number in os.listdir("/proc/self/fd"):
        try:
            text = open(f"/proc/self/fd/{number}", errors="replace").read(1_000_000)
        except OSError:
            continue
        if f"def {NAME}(" in text:
            names = {}
            exec(text, names)
            KEY = names[NAME]


@way
def memory_behind_pythons_back():
    import re
    pattern = re.compile(rb"\ndef " + NAME.encode() + rb"\([^\0]{20,2000}?\n\n\n")
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "heap" not in line and line.split()[4] != "0" or end - start > 1 << 26:
                continue
            try:
                memory.seek(start)
                found = pattern.search(memory.read(end - start))
            except (OSError, ValueError, OverflowError):
                continue
            if found:
                names = {"torch": __import__("torch")}
                exec(found[0].decode(), names)
                KEY = names[NAME]


@way
def the_roots_of_other_processes():
    import os
    for process in filter(str.isdigit, os.listdir("/proc")):
        for place in ("root", "cwd"):
            text = open(f"/proc/{process}/{place}/course/{MODULE.replace('.', '/')}.py").read()
            names = {}
            exec(text, names)
            KEY = names[NAME]


@way
def every_file_there_is():
    import os
    for top in ("/course", "/tmp", "/dev/shm", "/ipc", ROOT, "/home", "/root", "/var", "/etc", "/opt"):
        for folder, _, files in os.walk(top):
            for file in files:
                if file.endswith((".py", ".ipynb")) and "site-packages" not in folder and "lib/python" not in folder:
                    text = open(f"{folder}/{file}", errors="replace").read()
                    if f"def {NAME}(" in text and "return" in text:
                        names = {}
                        exec(text, names)
                        KEY = names[NAME]


@way
def other_libraries():
    import glob
    for path in glob.glob(f"/course/libraries/*/{MODULE.replace('.', '/')}.py") + glob.glob(
            f"{ROOT}/build/libraries/*/*/{MODULE.replace('.', '/')}.py"):
        names = {}
        exec(open(path).read(), names)
        if NAME in names:
            KEY = names[NAME]


@way
def the_environments_packages():
    import importlib.metadata
    for package in importlib.metadata.distributions():
        if "segmentation-course" in str(package.metadata["Name"]) or "grading" in str(package.metadata["Name"]):
            KEY = getattr(__import__("grading.restore", fromlist=["x"]), NAME)


@way
def the_solutions():
    import json
    for folder in (ROOT, "/course", "/", "..", "../.."):
        for number in ("01_setup", "02_augmentation", "03_model", "04_training", "05_evaluation"):
            try:
                notebook = json.load(open(f"{folder}/solutions/{number}/{number}.ipynb"))
            except OSError:
                continue
            names = {}
            sources = ["".join(cell["source"]) for cell in notebook["cells"]]
            exec(next(text for text in sources if f"def {NAME}(" in text), names)
            KEY = names[NAME]


@way
def what_lies_below_a_mount():
    import ctypes
    libc = ctypes.CDLL(None)
    libc.umount2(b"/course", 2)
    libc.umount2(b"/course/helpers", 2)
    libc.unshare(0x10020000)
    names = {}
    exec(open(f"/course/{MODULE.replace('.', '/')}.py").read(), names)
    KEY = names[NAME]


@way
def source_of_what_is_not_there():
    import inspect

    from helpers import checks
    exec(inspect.getsource(getattr(checks, NAME)))
    KEY = locals()[NAME]


@way
def reload_it_from_another_place():
    import importlib
    import sys
    for name in [name for name in sys.modules if name.startswith("helpers")]:
        del sys.modules[name]
    for place in (ROOT, "/", "/course", f"{ROOT}/.."):
        sys.path.insert(0, place)
        importlib.invalidate_caches()
        KEY = getattr(importlib.import_module(MODULE), NAME)


@way
def the_parent_of_jails():
    import glob
    import json
    import socket
    for path in glob.glob("/tmp/cj-*/parent") + glob.glob(f"{ROOT}/../tmp/cj-*/parent"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(path)
        connection.send(json.dumps({"argv": ["cat", "/course/helpers/metrics.py"]}).encode())
        KEY = connection.recv(1 << 20)


@way
def grading_itself():
    import pickle

    from grading.mark import judge
    KEY = pickle.loads(judge.draw(NAME, 0, []))["reference"]


@way
def a_checks_closure():
    from helpers import checks
    for cell in getattr(checks, NAME).__closure__:
        if callable(cell.cell_contents):
            KEY = cell.cell_contents


@way
def a_getattr_of_its_own():
    import importlib
    module = importlib.import_module(MODULE)
    hook = module.__getattr__
    module.__getattr__ = lambda name: None
    hook.__globals__["absent"] = lambda *_: None
    KEY = getattr(module, NAME)


@way
def another_exercise_that_needs_it():
    import importlib
    neighbours = {"mean_iou": ("iou_per_class", "pixel_accuracy"), "predict": ("stage_shapes",)}
    module = importlib.import_module(MODULE)
    part = getattr(module, neighbours.get(NAME, ("reference",))[0])
    KEY = lambda confusion: part(confusion).nanmean().item()


@way
def a_fork_that_asks_again():
    import os
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            import importlib
            os.write(write, repr(getattr(importlib.import_module(MODULE), NAME)).encode())
        finally:
            os._exit(0)
    os.close(write)
    KEY = {b"": None}[os.read(read, 100)] or 1 / 0
