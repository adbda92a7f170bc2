"""Answers that lie where they are looked at: code in the place of exercise 5.2's answer, in a room without a key."""

_AROUND = "import json, os, socket, struct, sys, threading, time, torch\n"
LIES = {name: _AROUND + text for name, text in {
    "writes_an_answer_into_the_channel": '''
def mean_iou(confusion):
    told = json.dumps({"answers": [{"value": 0.5, "inputs unchanged": True}] * 6, "missing": [], "failed": {}}).encode()
    os.write(3, struct.pack(">Q", len(told)) + told)
    os._exit(0)
''',
    "claims_a_message_without_end": '''
os.write(3, struct.pack(">Q", 2 ** 60))
def mean_iou(confusion):
    return 0.5
''',
    "writes_garbage_into_the_channel": '''
os.write(3, os.urandom(10_000))
def mean_iou(confusion):
    return 0.5
''',
    "closes_the_channel": '''
def mean_iou(confusion):
    os.close(3)
    return 0.5
''',
    "waits_in_a_thread_and_answers_first": '''
def answer():
    told = json.dumps({"answers": None, "right": True, "missing": [], "failed": {}}).encode()
    while True:
        try:
            os.write(3, struct.pack(">Q", len(told)) + told)
        except OSError:
            return
        time.sleep(0.01)
threading.Thread(target=answer, daemon=True).start()
def mean_iou(confusion):
    return 0.5
''',
    "patches_json": '''
json.dumps = lambda *_, **__: '{"answers": true, "right": true, "missing": [], "failed": {}}'
def mean_iou(confusion):
    return 0.5
''',
    "patches_the_encoding": '''
import helpers.exercises.probe as probe
probe.encode = lambda value: {"right": True}
def mean_iou(confusion):
    return 0.5
''',
    "patches_the_probe": '''
import helpers.exercises.probe as probe
probe.each = lambda function, cases: [{"value": 1.0, "inputs unchanged": True} for _ in cases]
def mean_iou(confusion):
    return 0.5
''',
    "patches_torch": '''
torch.equal = torch.allclose = lambda *_, **__: True
torch.Tensor.__eq__ = lambda *_: True
def mean_iou(confusion):
    return 0.5
''',
    "a_number_that_equals_all": '''
class Anything(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __float__(self): return self
    __hash__ = None
def mean_iou(confusion):
    return Anything(0.5)
''',
    "a_tensor_that_lies": '''
class Liar(torch.Tensor):
    def tolist(self): return "right"
    def item(self): return Anything()
    def __eq__(self, other): return True
def mean_iou(confusion):
    return torch.zeros(()).as_subclass(Liar)
''',
    "a_number_of_400_digits": '''
def mean_iou(confusion):
    return 10 ** 400
''',
    "a_list_without_end": '''
def mean_iou(confusion):
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested
''',
    "a_list_in_itself": '''
def mean_iou(confusion):
    nested = []
    nested.append(nested)
    return nested
''',
    "text_that_no_file_can_hold": '''
def mean_iou(confusion):
    return {"\\ud800": "\\udfff", "\\0": None}
''',
    "nan": '''
def mean_iou(confusion):
    return float("nan")
''',
    "replays_what_it_was_given": '''
seen = []
def mean_iou(confusion):
    seen.append(confusion)
    return seen[0].sum().item() / seen[-1].sum().item()
''',
    "looks_into_the_frames_for_the_cases": '''
def mean_iou(confusion):
    frame = sys._getframe()
    while frame:
        for name in ("wanted", "reference", "expected", "answers"):
            if frame.f_locals.get(name) is not None:
                return frame.f_locals[name]
        frame = frame.f_back
''',
    "answers_when_it_is_deleted": '''
class Last:
    def __del__(self):
        told = b'{"answers": [], "right": true}'
        os.write(3, struct.pack(">Q", len(told)) + told)
def mean_iou(confusion):
    return Last()
''',
    "never_ends": '''
def mean_iou(confusion):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
''',
    "ends_the_process": '''
def mean_iou(confusion):
    os._exit(0)
''',
    "an_exception_that_cannot_be_shown": '''
class Broken(Exception):
    def __str__(self): raise self
    __repr__ = __str__
def mean_iou(confusion):
    raise Broken
''',
}.items()}
