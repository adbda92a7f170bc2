"""Answers to exercise 1.1, wrong and right."""

import functools
import logging

import torch

from tests.exercises.bank import right, wrong

DEVICE = torch.device("cpu")


@wrong("returns_text")
def choose_device():
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


@wrong("always_cuda")
def choose_device():
    return torch.device("cuda")


@wrong("always_cpu")
def choose_device():
    return torch.device("cpu")


@wrong("always_cpu")  # asked once, when the cell ran, not when the function is called
def choose_device():
    return DEVICE


@wrong("mps_before_cuda")
def choose_device():
    if torch.backends.mps.is_available():
        return torch.device("mps")
    elif torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


@wrong("no_mps")
def choose_device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@wrong("no_cuda")
def choose_device():
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@wrong("no_cuda")  # found, then overwritten
def choose_device():
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda")
    if torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        device = torch.device("cpu")
    return device


@wrong("mps_before_cuda")
def choose_device():
    device = "cpu"
    if torch.cuda.is_available():
        device = "cuda"
    if torch.backends.mps.is_available():
        device = "mps"
    return torch.device(device)


@wrong("no_cpu")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps")


@wrong("no_cpu")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")


@wrong("built_not_available")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_built():
        return torch.device("mps")
    return torch.device("cpu")


@wrong("built_not_available")
def choose_device():
    return torch.accelerator.current_accelerator() or torch.device("cpu")


@wrong("always_cuda")  # a function is always true; its answer is not
def choose_device():
    if torch.cuda.is_available:
        return torch.device("cuda")
    if torch.backends.mps.is_available:
        return torch.device("mps")
    return torch.device("cpu")


@wrong("wrong_way_round")
def choose_device():
    if not torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@wrong("returns_yes_or_no")
def choose_device():
    return torch.cuda.is_available()


@wrong("second_gpu")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda:1")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@wrong("raised")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.mps.backends.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@wrong("not_attempted")
def choose_device():
    raise NotImplementedError("Exercise 1.1: the fastest device of this machine")


@wrong("returns_none")
def choose_device():
    if torch.cuda.is_available():
        device = torch.device("cuda")
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        device = torch.device("cpu")


@wrong("returns_index")
def choose_device():
    if torch.cuda.is_available():
        return torch.cuda.current_device()
    return torch.device("cpu")


@wrong("returns_text")
def choose_device():
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return "cpu"


@wrong("built_not_available")
def choose_device():
    if torch.version.cuda:
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@wrong("always_cpu")
def choose_device():
    if torch.cuda.is_available():
        torch.device("cuda")
    if torch.backends.mps.is_available():
        torch.device("mps")
    return torch.device("cpu")


@wrong("no_cuda")
def choose_device():
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@wrong("always_cuda")
def choose_device():
    device = torch.device("cpu")
    if torch.cuda.is_available:
        device = torch.device("cuda")
    return device


@wrong("always_mps")
def choose_device():
    return torch.device("mps")


@wrong("no_mps")
def choose_device():
    import platform
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if platform.system() == "Darwin" else "cpu")


@right("if by if")
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@right("one line, with an index")
def choose_device():
    return torch.device(
        "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )


@right("overwriting upwards")
def choose_device():
    name = "cpu"
    if torch.backends.mps.is_available():
        name = "mps"
    if torch.cuda.device_count() > 0:
        name = "cuda"
        print("using", torch.cuda.get_device_name(0))
    return torch.device(name)


@right("the accelerator module")
def choose_device():
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


@right("the accelerator module, asked twice")
def choose_device():
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


@right("a table")
def choose_device():
    available = {"cuda": torch.cuda.is_available, "mps": torch.mps.is_available, "cpu": lambda: True}
    return next(torch.device(name) for name, there in available.items() if there())


is_cuda, is_mps = torch.cuda.is_available, torch.backends.mps.is_available


@right("functions imported by name")
def choose_device():
    if is_cuda():
        return torch.device("cuda", 0)
    if is_mps():
        return torch.device("mps")
    return torch.device("cpu")


@right("built and available")
def choose_device():
    if torch.backends.cuda.is_built() and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if getattr(torch.backends, "mps", None) and torch.backends.mps.is_built() and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@right("annotated, a loop over names")
def choose_device() -> torch.device:
    for name in ("cuda", "mps"):
        if getattr(torch, name).is_available():
            return torch.device(name)
    return torch.device("cpu")


@right("match")
def choose_device():
    match (torch.cuda.is_available(), torch.backends.mps.is_available()):
        case (True, _):
            return torch.device("cuda")
        case (_, True):
            return torch.device("mps")
        case _:
            return torch.device("cpu")


@right("try to make a tensor there")
def choose_device():
    for name in ("cuda", "mps"):
        try:
            torch.zeros(1, device=name)
            return torch.device(name)
        except (RuntimeError, AssertionError):
            print(name, "is not there")
    return torch.device("cpu")


@right("try .to")
def choose_device():
    x = torch.ones(2)
    try:
        return x.cuda().device
    except Exception:
        pass
    try:
        return x.to("mps").device
    except Exception:
        return x.device


@right("cached")
@functools.cache
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


@right("lru_cache")
@functools.cache
def choose_device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    elif torch.backends.mps.is_available():
        return torch.device("mps")
    else:
        return torch.device("cpu")


@right("quickstart")
def choose_device():
    device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    print(f"Using {device} device")
    return torch.device(device)


@right("and or")
def choose_device():
    return (torch.cuda.is_available() and torch.device("cuda")
            or torch.backends.mps.is_available() and torch.device("mps") or torch.device("cpu"))


@right("a helper and logging")
def choose_device():
    def has(name):
        return {"cuda": torch.cuda, "mps": torch.backends.mps}[name].is_available()
    names = [*filter(has, ["cuda", "mps"]), "cpu"]
    logging.warning("choosing %s", names[0])
    return torch.device(names[0])


@right("current_device asked in a try")
def choose_device():
    try:
        return torch.device("cuda", torch.cuda.current_device())
    except (AssertionError, RuntimeError):
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
