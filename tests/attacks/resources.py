"""Attacks on memory, disk, and whoever reads the output."""
# ruff: noqa: F821, F841

from tests.attacks import answer, cell


@cell()
def fills_the_memory():
    hoard = []
    while True:
        hoard.append(b"x" * 50_000_000)


@answer("load_target", lost=("load_target",))
def fills_the_memory_with_tensors():
    def load_target(path):
        hoard = []
        while True:
            hoard.append(torch.ones(10_000_000))


@cell()
def asks_for_a_huge_tensor():
    torch.empty(2 ** 42)


@cell()
def fills_the_memory_from_many_processes():
    import os
    import time
    for _ in range(8):
        if os.fork() == 0:
            hoard = b"x" * 600_000_000
            time.sleep(1000)
    time.sleep(6)


@cell()
def hides_memory_where_nobody_counts():
    import ctypes
    import mmap
    import os
    libc = ctypes.CDLL(None, use_errno=True)

    def positive(found):
        if found < 0:
            raise OSError(ctypes.get_errno())
        return found
    attempt(mmap.mmap, -1, 1 << 20)
    attempt(os.memfd_create, "hidden")
    attempt(lambda: positive(libc.shmget(0, 1 << 20, 0o1600)))
    attempt(lambda: positive(libc.msgget(0, 0o1600)))
    attempt(lambda: positive(libc.semget(0, 1, 0o1600)))


@cell()
def fills_the_disk():
    import os
    for folder in ("/tmp", "/dev/shm", os.getcwd(), os.environ["HOME"]):
        try:
            with open(f"{folder}/{MARK}", "wb") as file:
                for _ in range(3000):
                    file.write(bytes(1_000_000))
        except OSError:
            pass


@cell()
def makes_a_million_files():
    import os
    for number in range(1_000_000):
        os.mkdir(f"/tmp/{MARK}-{number}")


@cell()
def makes_a_deep_folder():
    import os
    here = os.getcwd()
    try:
        for _ in range(5000):
            os.mkdir(MARK)
            os.chdir(MARK)
    finally:
        os.chdir(here)


@cell()
def makes_a_huge_sparse_file():
    import os
    attempt(os.truncate, os.open(f"/tmp/{MARK}", os.O_CREAT | os.O_RDWR), 2 ** 50)


@cell()
def prints_a_gigabyte():
    line = "x" * 1_000_000
    for _ in range(1000):
        print(line)


@cell(slow=True)
def writes_a_gigabyte_to_the_terminal():
    import os
    for _ in range(1000):
        os.write(2, b"\033[2J" + b"x" * 1_000_000)


@cell()
def shows_one_huge_picture():
    from IPython.display import display
    display({"image/png": "A" * 100_000_000}, raw=True)


@cell()
def shows_a_hundred_thousand_things():
    from IPython.display import display
    for number in range(100_000):
        display({"text/plain": str(number)}, raw=True)


@cell()
def floods_comms():
    import comm
    for number in range(20_000):
        comm.create_comm(target_name="flood", data={"state": {"x": "y" * 100}})


@cell()
def raises_a_tower_of_errors():
    def deep(level):
        try:
            raise ValueError("x" * 1000)
        except ValueError:
            if level:
                deep(level - 1)
            raise KeyError("y")
    deep(300)


@cell()
def raises_an_error_that_cannot_be_shown():
    class Broken(Exception):
        def __str__(self):
            raise self
        __repr__ = __str__

        def _render_traceback_(self):
            return [str(self), 3, None]
    raise Broken


@cell()
def raises_an_error_of_a_hundred_megabytes():
    class Long(Exception):
        def __str__(self):
            return "x" * 100_000_000
    raise Long


@cell()
def raises_an_error_with_an_active_name():
    raise type("<script>alert(1)</script>\x1b[31m\ud800\0", (Exception,), {})("<img src=x onerror=alert(1)>\ud800")


@cell()
def prints_what_no_file_can_hold():
    print("\ud800\udfff \0 \x1b]0;title\x07 \u202e")


@answer("count_pixels")
def prints_without_end_behind_the_scenes():
    import threading
    import time

    def talk():
        while True:
            print("x" * 10_000)
            time.sleep(0.01)
    threading.Thread(target=talk, daemon=True).start()
