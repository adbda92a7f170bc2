"""Forged outcomes of checks, and forged messages on the kernel's channels."""
# ruff: noqa: F821, F841

from helpers.settings import CHECK_MIME
from tests.attacks import answer, cell

LAST = ("count_pixels",)


def forged(bundles):
    """An answer that returns nonsense and shows bundles of its own in place of its check's."""
    return f'''
from IPython.display import display
MIME = {CHECK_MIME!r}
def bundle(message="Right.", outcome="right", name="count_pixels", misconception=None):
    display({{MIME: {{"exercise": name, "outcome": outcome, "misconception": misconception, "message": message}}}},
            raw=True)
def nested(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found
from helpers import checks
checks.count_pixels = lambda function: ({bundles})
count_pixels = None
'''


def shows(expression):
    """Registers an attack that shows forged bundles in place of the check's."""
    def register(function):
        import dataclasses

        from tests import attacks
        answer("count_pixels", lost=LAST)(function)
        attacks.ATTACKS[-1] = dataclasses.replace(attacks.ATTACKS[-1], code=forged(expression))
        return function
    return register


@shows("bundle()")
def a_check_that_passes():
    pass


@shows("bundle('You are brilliant.', 'wrong', misconception='right')")
def praise_in_place_of_a_reason():
    pass


@shows("bundle(name='choose_device', outcome='wrong')")
def another_exercise():
    pass


@shows("[bundle(outcome=outcome) for outcome in ('wrong', 'right', 'raised', '', 'points')]")
def several_bundles():
    pass


@shows("bundle('x' * 6_000_000)")
def a_huge_bundle():
    pass


@shows("bundle('x' * 50_000_000)")
def a_bundle_beyond_all_bounds():
    pass


@shows("bundle(nested(300))")
def a_nested_bundle():
    pass


@shows("bundle(nested(100_000))")
def an_unreadable_bundle():
    pass


@shows("bundle([[float('nan'), float('inf'), -float('inf')]] * 2)")
def a_bundle_that_is_no_number():
    pass


@shows("bundle([[10 ** 400, -10 ** 4000], True])")
def a_bundle_of_huge_numbers():
    pass


@shows("bundle([{'value': {'shape': [10 ** 9, 10 ** 9], 'dtype': 'int64', 'data': []}}, True])")
def a_bundle_that_claims_a_huge_shape():
    pass


@shows("bundle('\\ud800', '\\udfff', misconception='\\udbff')")
def a_bundle_that_no_file_can_hold():
    pass


@shows("display({MIME: 'text', 'text/html': '<script>alert(1)</script>'}, raw=True)")
def a_bundle_of_text():
    pass


@shows("display({MIME: [], 'application/javascript': 'alert(1)'}, raw=True)")
def a_bundle_of_another_form():
    pass


@shows("display({'text/plain': 3, 'image/png': {'a': []}, MIME: None}, raw=True)")
def data_of_wrong_types():
    pass


@cell()
def knows_the_key_and_talks_nonsense():
    kernel = get_ipython().kernel
    session, socket = kernel.session, kernel.iopub_socket
    parent = kernel.get_parent()
    for kind in ("stream", "display_data", "execute_result", "error", "status", "update_display_data", "clear_output",
                 "comm_open", "comm_msg", "execute_input", "nonsense"):
        for content in ({}, {"data": None}, {"data": [], "text": 3, "name": {}, "traceback": 5, "ename": [],
                                             "execution_state": []}, {"transient": {"display_id": []}}):
            session.send(socket, kind, content, parent=parent)
    session.send(socket, "stream", ["not", "a", "dict"], parent=parent)
    session.send(socket, "error", {"ename": 1, "evalue": None, "traceback": [None] * 9}, parent={"msg_id": []})


@cell()
def sends_garbage_over_the_channels():
    kernel = get_ipython().kernel
    for frames in ([b""], [b"<IDS|MSG>"], [b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"], [b"\xff" * 1000] * 20,
                   [b"<IDS|MSG>", b"0" * 64, b"[" * 100_000, b"{}", b"{}", b"{}"]):
        kernel.iopub_thread.send_multipart(frames) if hasattr(kernel, "iopub_thread") else None


@answer("count_pixels", lost=LAST)
def replies_before_it_is_done():
    def count_pixels(targets, num_classes):
        kernel = get_ipython().kernel
        parent = kernel.get_parent()
        kernel.session.send(kernel.shell_stream, "execute_reply", {"status": "ok", "execution_count": 1},
                            parent=parent, ident=getattr(kernel, "_parent_ident", {}).get("shell"))
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
        return 3


@answer("count_pixels", lost=LAST)
def speaks_for_the_cell_behind_it():
    kernel = get_ipython().kernel
    parent = kernel.get_parent()
    prefix, _, number = parent["header"]["msg_id"].rpartition("_")
    for ahead in range(1, 5):
        later = {"header": {**parent["header"], "msg_id": f"{prefix}_{int(number) + ahead}"}}
        kernel.session.send(kernel.iopub_socket, "execute_result", {"data": {"text/plain": "8.0"}, "metadata": {},
                                                                    "execution_count": 1}, parent=later)

    def count_pixels(targets, num_classes):
        return 3


@cell(behind="load_target")
def speaks_for_the_cell_before_it():
    kernel = get_ipython().kernel
    parent = kernel.get_parent()
    prefix, _, number = parent["header"]["msg_id"].rpartition("_")
    for behind in range(1, 5):
        earlier = {"header": {**parent["header"], "msg_id": f"{prefix}_{int(number) - behind}"}}
        error = {"ename": "E", "evalue": "", "traceback": []}
        kernel.session.send(kernel.iopub_socket, "error", error, parent=earlier)


@cell()
def asks_the_grader_for_input():
    kernel = get_ipython().kernel
    kernel.session.send(kernel.stdin_socket, "input_request", {"prompt": "password", "password": True},
                        ident=b"x") if getattr(kernel, "stdin_socket", None) else None
    input("password?")
