"""Attacks on the process that runs the cells, and on the clock."""
# ruff: noqa: F821, F841

from tests.attacks import answer, cell


@cell()
def ends_the_process():
    import os
    os._exit(0)


@answer("load_target", lost=("load_target",))
def ends_the_process_in_an_answer():
    import os
    os._exit(101)  # as if the jail had ended it


@answer("load_target", lost=("load_target",))
def ends_the_process_when_called():
    def load_target(path):
        import os
        os._exit(0)


@answer("load_target", lost=("load_target",))
def calls_exit():
    exit()


@cell()
def leaves_the_notebook():
    import sys
    sys.exit(3)


@cell()
def leaves_a_thread():
    import sys
    import threading
    threading.Thread(target=sys.exit).start()


@cell()
def kills_its_parent_and_everybody():
    import os
    import signal
    for process in (os.getppid(), 1, -1):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass


@cell()
def kills_itself():
    import os
    import signal
    os.kill(os.getpid(), signal.SIGKILL)


@cell()
def terminates_its_group():
    import os
    import signal
    os.killpg(0, signal.SIGTERM)


@cell()
def crashes():
    import ctypes
    ctypes.string_at(0)


@cell()
def overflows_the_stack():
    import sys
    sys.setrecursionlimit(10 ** 9)
    nested = []
    for _ in range(10 ** 6):
        nested = [nested]
    repr(nested)


@cell()
def aborts_with_faulthandler():
    import faulthandler
    faulthandler._sigabrt()


@cell()
def blocks_a_handler_of_sigterm():
    import signal
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


@cell()
def dies_at_exit():
    import atexit
    import time
    atexit.register(time.sleep, 1000)


@cell()
def leaves_a_daemon():
    import subprocess
    subprocess.Popen(["sleep", "1234"], start_new_session=True)


@cell()
def leaves_a_daemon_twice_removed():
    import os
    import time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                try:
                    open(f"/tmp/{MARK}", "a").write("x")
                    os.kill(-1, 18)
                except OSError:
                    pass
                time.sleep(0.05)
        os._exit(0)


@cell()
def starts_ten_thousand_threads():
    import threading
    import time
    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


@cell()
def forks_without_end():
    import os
    import time
    for _ in range(2000):
        try:
            if os.fork() == 0:
                time.sleep(1000)
        except OSError:
            pass


@cell(slow=True)
def explodes():
    import subprocess
    subprocess.run(["sh", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000"])


@cell(slow=True)
def stops_itself():
    import os
    import signal
    os.kill(os.getpid(), signal.SIGSTOP)


@cell(slow=True)
def loops_and_swallows_interrupts():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


@answer("count_pixels", lost=("count_pixels",), slow=True)
def loops_when_called_and_ignores_interrupts():
    import signal

    def count_pixels(targets, num_classes):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            pass


@cell(slow=True)
def waits_for_itself():
    import threading
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@cell(slow=True)
def becomes_another_program():
    import os
    os.execvp("sleep", ["sleep", "1000"])


@cell(slow=True)
def closes_all_files():
    import os
    os.closerange(3, 1000)


@cell(slow=True)
def holds_the_interpreter():
    import re
    re.match(r"(a+)+$", "a" * 60 + "b")
