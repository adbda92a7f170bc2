"""Wrong answers that try to pass for right ones from within the kernel."""
# ruff: noqa: F821, F841

from tests.attacks import answer, cell

LAST = ("count_pixels",)


@answer("count_pixels", lost=LAST)
def patches_the_checks():
    from helpers import checks
    checks.count_pixels = lambda function: print("✓ count_pixels")

    def count_pixels(targets, num_classes):
        return 3


@answer("count_pixels", lost=LAST)
def patches_comparisons():
    import builtins

    import numpy as np
    for name in ("sum", "all", "any", "len", "isinstance", "abs", "max"):
        setattr(builtins, f"_{name}", getattr(builtins, name))
    np.testing.assert_array_equal = np.testing.assert_allclose = np.array_equal = lambda *args, **kwargs: True
    torch.equal = torch.allclose = torch.Tensor.equal = torch.testing.assert_close = lambda *args, **kwargs: True

    def count_pixels(targets, num_classes):
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def breaks_builtins():
    import builtins
    builtins.sum = builtins.all = lambda *args: True
    builtins.AssertionError = type("Quiet", (Exception,), {})

    def count_pixels(targets, num_classes):
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def returns_what_equals_everything():
    class Anything:
        def __eq__(self, other):
            return self
        __ne__ = __lt__ = __getitem__ = __call__ = __sub__ = __le__ = __eq__

        def __getattr__(self, name):
            return self

        def __bool__(self):
            return True

    def count_pixels(targets, num_classes):
        return Anything()


@answer("count_pixels", lost=LAST)
def returns_a_tensor_that_lies():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return True if function in (torch.equal, torch.allclose) else super().__torch_function__(
                function, types, args, kwargs or {})

        def tolist(self):
            return [1, 2, 3]

    def count_pixels(targets, num_classes):
        return torch.zeros(num_classes, dtype=torch.int64).as_subclass(Liar)


@answer("count_pixels", lost=LAST)
def lies_about_its_type():
    class Meta(type):
        def __instancecheck__(cls, other):
            return True

        def __subclasscheck__(cls, other):
            return True

        def __eq__(cls, other):
            return True
        __hash__ = type.__hash__

    class count_pixels(metaclass=Meta):
        def __new__(cls, targets, num_classes):
            return NotImplemented


@answer("count_pixels", lost=LAST)
def strips_the_tests_as_syntax():
    import ast

    class Strip(ast.NodeTransformer):
        def visit_Module(self, node):
            return ast.Module([], [])
    get_ipython().ast_transformers.append(Strip())


@answer("count_pixels", lost=LAST)
def strips_the_tests_as_text():
    get_ipython().input_transformers_cleanup.append(lambda lines: ["None\n"])


@answer("count_pixels", lost=LAST)
def turns_the_tests_into_a_number():
    get_ipython().input_transformers_cleanup.append(lambda lines: ["8.0\n"])


@answer("count_pixels", lost=LAST)
def runs_cells_its_own_way():
    async def run_cell_async(*args, **kwargs):
        from IPython.core.interactiveshell import ExecutionResult
        return ExecutionResult(None)
    get_ipython().run_cell_async = get_ipython().run_cell = run_cell_async


@answer("count_pixels", lost=LAST)
def shadows_the_course():
    import sys
    import types
    fake = types.ModuleType("helpers")
    fake.checks = fake
    fake.count_pixels = lambda *args: print("✓ count_pixels")
    sys.modules.update({"helpers": fake, "helpers.checks": fake})
    checks = fake


@answer("count_pixels", lost=LAST)
def shadows_the_course_by_a_file():
    import sys
    from pathlib import Path
    Path("helpers").mkdir()
    Path("helpers/__init__.py").write_text("")
    Path("helpers/checks.py").write_text("def count_pixels(*args): pass")
    for name in [name for name in sys.modules if name.startswith("helpers")]:
        del sys.modules[name]
    sys.path.insert(0, str(Path.cwd()))


@answer("count_pixels", lost=LAST)
def takes_the_chance_out_of_all_seeds():
    import random
    seed = torch.Generator.manual_seed
    torch.Generator.manual_seed = torch.manual_seed = lambda self, *_: seed(self, 5)
    random.seed = random.Random.seed = lambda *_: None

    def count_pixels(targets, num_classes):
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def shows_what_it_likes():
    from helpers import checks
    checks.count_pixels = lambda function: print("Examined: right.")


@answer("count_pixels", lost=LAST)
def encodes_what_it_likes():
    from helpers.exercises import probe as data
    data.encode = lambda value: [[[1, 2, 3], True]] * 2

    def count_pixels(targets, num_classes):
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def traces_the_tests():
    import sys

    def trace(frame, event, arg):
        if frame.f_code.co_name in ("call", "each", "encode") and event == "line":
            frame.f_locals["value"] = torch.tensor([1, 2, 3])
        return trace
    sys.settrace(trace)

    def count_pixels(targets, num_classes):
        sys.settrace(trace)
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def searches_memory_for_the_answers():
    import gc

    def count_pixels(targets, num_classes):
        targets = list(targets)
        for found in gc.get_objects():
            try:
                if isinstance(found, dict) and "expected" in found:
                    return found["expected"]
            except Exception:
                pass
        return torch.zeros(num_classes, dtype=torch.int64)


@answer("count_pixels", lost=LAST)
def formats_displays_its_own_way():
    formatter = get_ipython().display_formatter
    formatter.format = lambda *args, **kwargs: ({"text/plain": "8.0"}, {})
    get_ipython().display_pub.publish = lambda *args, **kwargs: None


@answer("count_pixels", lost=LAST)
def hides_its_errors():
    ip = get_ipython()
    ip.showtraceback = ip.showsyntaxerror = ip._showtraceback = lambda *args, **kwargs: None

    def count_pixels(targets, num_classes):
        raise ValueError("not solved")


@cell(behind="load_target")
def takes_back_what_was_shown():
    from IPython.display import clear_output, update_display
    clear_output()
    for number in range(20):
        update_display({"text/plain": "gone"}, display_id=str(number), raw=True)
