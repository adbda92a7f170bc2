"""Running a stranger's function and leaving everything as it was."""

import contextlib
import io
import os
import random
import tempfile
import warnings

import numpy as np
import torch
from IPython.utils.capture import capture_output

PRINTED_LINES, PRINTED_CHARACTERS = 10, 2000  # of what a student's function prints, this much is shown


class Printed(io.TextIOBase):
    """Catches what is printed and keeps its beginning only, so that printing without end costs no memory."""

    def __init__(self):
        self.text, self.length = "", 0

    def write(self, text):
        self.text += text[:PRINTED_CHARACTERS - len(self.text)]
        self.length += len(text)
        return len(text)

    def show(self):
        """Print the beginning of what was caught."""
        lines = self.text.splitlines()
        if lines:
            more = len(lines) > PRINTED_LINES or self.length > len(self.text)
            print("Your function printed:", *lines[:PRINTED_LINES], *["..."] * more, sep="\n    ")


@contextlib.contextmanager
def as_found(seed=0):
    """Leave seeds, dtype, device, grad mode, folder, warnings and streams as they were; yields what was printed.

    Inside, random numbers start from `seed` and the working folder is an empty temporary one.
    """
    printed = Printed()
    states = random.getstate(), np.random.get_state()
    dtype, grad, folder = torch.get_default_dtype(), torch.is_grad_enabled(), os.getcwd()
    default = torch.empty(0).device  # get_default_device of torch 2.9 fails once a default was taken back
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with contextlib.ExitStack() as stack:
        empty = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(capture_output(stdout=False, stderr=False))  # figures and notebook progress bars
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(Printed()))
        os.chdir(empty)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield printed
        finally:
            os.chdir(folder)
            torch.set_default_dtype(dtype)
            torch.set_default_device(None if default.type == "cpu" else default)
            torch.set_grad_enabled(grad)
            random.setstate(states[0])
            np.random.set_state(states[1])
