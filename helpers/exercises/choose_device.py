"""Exercise 1.1: choose_device."""

import contextlib
from types import SimpleNamespace
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

from helpers import settings
from helpers.exercises.core import Exercise
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import a_kind, show

# What a machine has: in words, CUDA there, MPS there, what its PyTorch was built for, the right answer
MACHINES = [
    ("with an NVIDIA GPU", True, False, "cuda", "cuda"),
    ("with Apple's MPS", False, True, "mps", "mps"),
    ("with no GPU", False, False, "cuda", "cpu"),
    ("with no GPU, but a PyTorch built for Apple's MPS", False, False, "mps", "cpu"),
    ("with both CUDA and MPS", True, True, "cuda", "cuda"),
]


class Elsewhere(SimpleNamespace):
    """What a tensor on another machine's GPU would be, as far as its device goes."""


class _Placed(TorchFunctionMode):
    """Tensors may be made on a simulated machine's devices alone; those on its GPU only say where they are."""

    def __init__(self, *there):
        super().__init__()
        self.there = there

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        asked = kwargs.get("device", args[1] if getattr(function, "__name__", "") == "to" and args[1:] else None)
        asked = getattr(function, "__name__", "") if getattr(function, "__name__", "") in ("cuda", "mps") else asked
        kind = str(asked).partition(":")[0]
        if kind not in ("cuda", "mps"):
            return function(*args, **kwargs)
        if kind not in self.there:
            raise RuntimeError(f"this machine has no {kind} device")
        return Elsewhere(device=torch.device(kind), is_cuda=kind == "cuda")


def _only_with(there, answer):
    def ask(*_, **__):
        if not there:
            raise RuntimeError("No CUDA GPUs are available")
        return answer
    return ask


@contextlib.contextmanager
def machine(cuda, mps, built):
    """Let PyTorch believe that it runs on another machine; asks of every kind agree with each other."""
    accelerator = torch.device(built)
    answers = [
        (torch.cuda, "_is_compiled", cuda or built == "cuda"), (torch.cuda, "_nvml_based_avail", False),
        (torch.cuda, "is_available", cuda), (torch.cuda, "device_count", int(cuda)),
        (torch.backends.cuda, "is_built", cuda or built == "cuda"),
        (torch.backends.mps, "is_available", mps), (torch.backends.mps, "is_built", mps or built == "mps"),
        (torch.mps, "is_available", mps), (torch.mps, "device_count", int(mps)),
        (torch.accelerator, "is_available", cuda or mps), (torch.accelerator, "device_count", int(cuda or mps)),
        (torch._C, "_cuda_getDeviceCount", int(cuda)), (torch._C, "_mps_is_available", mps),
    ]
    is_mps = torch.backends.mps.is_available  # it remembers its first answer
    with contextlib.ExitStack() as stack:
        for module, name, answer in answers:
            stack.enter_context(mock.patch.object(module, name, lambda *_, _answer=answer, **__: _answer, create=True))
        for name, answer in [("current_device", 0), ("get_device_name", "NVIDIA T4"), ("init", None),
                             ("get_device_properties", SimpleNamespace(name="NVIDIA T4", total_memory=16 << 30))]:
            stack.enter_context(mock.patch.object(torch.cuda, name, _only_with(cuda, answer)))
        stack.enter_context(mock.patch.object(torch.version, "cuda", "12.8" if cuda or built == "cuda" else None))
        stack.enter_context(mock.patch.object(
            torch.accelerator, "current_accelerator",
            lambda check_available=False: accelerator if cuda or mps or not check_available else None))
        stack.enter_context(_Placed(*["cuda"] * cuda, *["mps"] * mps))
        is_mps.cache_clear()
        try:
            yield
        finally:
            is_mps.cache_clear()


def forget(function):
    """A function under `functools.cache` may remember its answer, but not that of another machine."""
    while function is not None:
        getattr(function, "cache_clear", lambda: None)()
        function = getattr(function, "__wrapped__", None)


def check(student, seed):
    outcomes = []
    for _, cuda, mps, built, _ in MACHINES:
        forget(student.function)
        with machine(cuda, mps, built):
            outcomes.append(student.attempt())
    wanted = [row[-1] for row in MACHINES]
    devices = [outcome.value for outcome in outcomes]
    found = [device.type if isinstance(device, torch.device) else None for device in devices]
    if isinstance(devices[0], str):
        cure = f"Wrap it: `torch.device({devices[0]!r})`." if devices[0] in ("cuda", "cuda:0") else \
            "PyTorch's name for an NVIDIA GPU is \"cuda\": return `torch.device(\"cuda\")`."
        student.fail("returns_text", f"choose_device returned the text {devices[0]!r}; expected a torch.device. {cure}")
    if isinstance(devices[0], bool):
        student.fail("returns_yes_or_no", f"choose_device returned {devices[0]}, which says whether there is a GPU. "
                     "Return the device itself, as in `torch.device(\"cuda\")`.")
    if isinstance(devices[0], int):
        student.fail("returns_index", f"choose_device returned {devices[0]}, the number of a GPU; expected a "
                     "torch.device, such as `torch.device(\"cuda\")`.")
    if devices[:2] == [None, None] and outcomes[0].error is None:
        student.fail("returns_none", "choose_device returned None; expected a torch.device. Is the `return` missing?")
    for id, explains, says in MISTAKES:
        if None not in found[:2] and explains(*found):
            student.fail(id, says)
    for (words, *_), outcome, device, type in zip(MACHINES, outcomes, found, wanted):
        student.healthy(outcome, f"On a simulated machine {words}, ")
        if device is None:
            student.fail("wrong_type", f"On a simulated machine {words} choose_device returned "
                         f"{a_kind(outcome.value)}; expected one torch.device.")
        if device != type:
            student.fail("different", f"On a simulated machine {words} choose_device returned {show(outcome.value)}; "
                         f"expected torch.device(\"{type}\"). Ask for CUDA first, then MPS, and fall back to the CPU.")
        if outcome.value.index not in (None, 0):
            student.fail("second_gpu", f"choose_device returned {outcome.value!r} on a machine with one GPU, whose "
                         f"only index is 0. `torch.device(\"cuda\")` needs no index.")
    return "choose_device finds CUDA, then MPS, then the CPU."


MISTAKES = [
    ("always_cuda", lambda *types: set(types) == {"cuda"},
     "choose_device returned \"cuda\" on a machine with no GPU, and on any other. Ask first; mind the parentheses: "
     "`torch.cuda.is_available` without `()` is a function, and a function counts as true."),
    ("always_cpu", lambda *types: set(types) == {"cpu"},
     "choose_device returned \"cpu\" on a machine with an NVIDIA GPU, and on any other. Ask inside the function, so "
     "that each call looks at the machine again."),
    ("always_mps", lambda *types: set(types) == {"mps"},
     "choose_device returned \"mps\" whatever the machine has. Ask `torch.backends.mps.is_available()` first."),
    ("wrong_way_round", lambda gpu, mac, none, *_: gpu != "cuda" and none == "cuda",
     "choose_device returned \"cuda\" where there is no GPU, and something else where there is one. Is there a `not` "
     "that should not be there?"),
    ("mps_before_cuda", lambda *types: types == ("cuda", "mps", "cpu", "cpu", "mps"),
     "With both CUDA and MPS there, choose_device returned \"mps\". CUDA comes first: ask for it first, and let "
     "nothing further down overwrite the answer (`elif`, or `return` at once)."),
    ("no_mps", lambda *types: types == ("cuda", "cpu", "cpu", "cpu", "cuda"),
     "On an Apple machine choose_device returned \"cpu\": its GPU stays unused. Between CUDA and the CPU, ask "
     "`torch.backends.mps.is_available()`."),
    ("no_cuda", lambda gpu, mac, none, *_: (gpu, mac, none) == ("cpu", "mps", "cpu"),
     "On a machine with an NVIDIA GPU choose_device returned \"cpu\". Is the question for CUDA missing, or is its "
     "answer overwritten by an `else` further down?"),
    ("no_cpu", lambda gpu, mac, none, nothing, _: none == nothing and none in (None, "mps"),
     "On a machine with no GPU choose_device did not return the CPU. End with `return torch.device(\"cpu\")`, for "
     "machines that have neither CUDA nor MPS."),
    ("built_not_available", lambda gpu, mac, none, nothing, _: "cuda" == none or "mps" == nothing,
     "On a machine with no GPU choose_device did not return the CPU. A PyTorch that was built for CUDA or MPS says "
     "so on any machine; ask `is_available`, which looks for the hardware (`check_available=True` in "
     "torch.accelerator)."),
]


def inputs(seed):
    """Machines in a drawn order, each of them at least once: CUDA there, MPS there, what PyTorch was built for."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.cat([torch.randperm(len(MACHINES), generator=random),
                      torch.randint(len(MACHINES), (4,), generator=random)])
    return [list(MACHINES[row][1:4]) for row in rows[torch.randperm(len(rows), generator=random)]]


def run(choose_device, machines):
    """The kind of device on each machine, and whether its index is one that a single GPU has."""
    found = []
    for cuda, mps, built in machines:
        forget(choose_device)
        with machine(cuda, mps, built):
            result = call(choose_device)
        device = result.get("value")
        found.append([device.type, device.index in (None, 0)] if isinstance(device, torch.device) else result)
    return found


EXERCISE = Exercise(number="1.1", name="choose_device", title="Choose the device", points=4, notebook="01_setup",
                    signatures=("choose_device()",),
                    check=check, probe=Probe(inputs, run), reference=settings.choose_device)
