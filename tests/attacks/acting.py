"""Answers that act while they are examined, in the place of exercise 5.2's answer: as in `lying`, none is right."""

import textwrap

from tests.attacks.lying import LIES

_AROUND = ("import builtins, ctypes, gc, json, os, signal, socket, struct, sys, threading, time\n"
           "import numpy as np, torch\n")
_NONSENSE = "\ndef mean_iou(confusion):\n    return 0.5\n"
ACTS = {
    "a_thread_that_changes_the_inputs": '''
        def act():
            while True:
                for frame in sys._current_frames().values():
                    while frame:
                        for value in list(frame.f_locals.values()):
                            if isinstance(value, dict) and isinstance(value.get("inputs"), list):
                                value["inputs"].clear()
                                value["cells"].clear()
                        frame = frame.f_back
        threading.Thread(target=act, daemon=True).start()
        ''',
    "a_thread_that_changes_what_is_told": '''
        def act():
            while True:
                for found in gc.get_objects():
                    if isinstance(found, dict) and "answers" in found:
                        found["answers"] = True
                        found["raised"] = None
        threading.Thread(target=act, daemon=True).start()
        ''',
    "a_tracer_that_changes_variables": '''
        def trace(frame, event, arg):
            for name in ("answers", "found", "wanted", "reason", "told"):
                if name in frame.f_locals:
                    frame.f_locals[name] = None
                    ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            return trace
        sys.settrace(trace)
        threading.settrace(trace)
        frame = sys._getframe()
        while frame:
            frame.f_trace = trace
            frame = frame.f_back
        ''',
    "what_is_left_for_the_end": '''
        import atexit
        def last():
            told = b'{"answers": true, "right": true, "missing": [], "failed": {}}'
            os.write(3, struct.pack(">Q", len(told)) + told)
        atexit.register(last)
        sys.exitfunc = last
        threading._register_atexit(last)
        ''',
    "builtins_of_ones_own": '''
        for name in ("all", "any", "isinstance", "callable"):
            setattr(builtins, name, lambda *_: True)
        builtins.type = lambda *_: bool
        builtins.len = lambda _: 0
        builtins.dict = builtins.list = lambda *_: {"right": True}
        ''',
    "a_type_that_is_every_type": '''
        import numbers
        class Meta(type):
            def __instancecheck__(cls, other): return True
            def __eq__(cls, other): return True
            def __class_getitem__(cls, other): return True
            __hash__ = type.__hash__
        class Every(metaclass=Meta):
            __class__ = property(lambda self: float)
            def __class_getitem__(cls, item): return cls
            def __eq__(self, other): return True
            def __lt__(self, other): return True
            def __float__(self): return 0.5
            def __index__(self): return 0
            def __abs__(self): return self
            def __sub__(self, other): return self
            def __reduce__(self): return (bool, (True,))
            def __getattr__(self, name): return self
            def __iter__(self): return iter(())
            def __len__(self): return 0
            def __array__(self, *_, **__): return np.ones(())
            def __torch_function__(self, *_, **__): return True
            __hash__ = None
        numbers.Real.register(Every)
        def mean_iou(confusion):
            return Every()
        ''',
    "a_tensor_that_answers_for_torch": '''
        class Yes(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                name = getattr(function, "__name__", "")
                if name in ("equal", "allclose", "isclose", "eq", "all", "is_floating_point"):
                    return True
                if name in ("tolist", "item"):
                    return "nan"
                return super().__torch_function__(function, types, args, kwargs)
        def mean_iou(confusion):
            return torch.full((), float("nan")).as_subclass(Yes)
        ''',
    "a_mode_around_all_of_torch": '''
        class Mode(torch.overrides.TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                return 0.5 if getattr(function, "__name__", "") in ("tolist", "item", "clone", "flatten") else \\
                    function(*args, **kwargs or {})
        Mode().__enter__()
        ''',
    "a_generator_that_remembers": '''
        def remembers():
            confusion = yield
            for number in range(1000):
                confusion = yield (0.5, 1.0, 0.0, 0.25, 1 / 3, 0.75)[number % 6]
        answers = remembers()
        next(answers)
        def mean_iou(confusion):
            return answers.send(confusion)
        ''',
    "more_than_one_answer_a_call": '''
        def mean_iou(confusion):
            yield from (0.5, 1.0, 0.0)
        ''',
    "messages_of_a_child": '''
        if os.fork() == 0:
            while True:
                told = b'{"answers": [{"value": 0.5, "inputs unchanged": true}], "failed": {}}'
                os.write(3, struct.pack(">Q", len(told)) + told)
        ''',
    "numbers_of_cells_without_end": '''
        def act():
            while True:
                os.write(3, struct.pack(">Q", 1) + b"0")
        threading.Thread(target=act, daemon=True).start()
        def mean_iou(confusion):
            while True:
                time.sleep(1)
        ''',
    "half_a_message": '''
        os.write(3, struct.pack(">Q", 1000) + b'{"answers": ')
        ''',
    "an_answer_as_long_as_it_may_be": '''
        def mean_iou(confusion):
            told = b'{"answers": [' + b"[[]]," * 6_000_000 + b"0]}"
            for start in range(0, len(data := struct.pack(">Q", len(told)) + told), 1 << 16):
                os.write(3, data[start:start + (1 << 16)])
            os._exit(0)
        ''',
    "an_answer_as_deep_as_it_may_be": '''
        def mean_iou(confusion):
            told = b'{"answers": ' + b'{"a":' * 900 + b"0" + b"}" * 901
            os.write(3, struct.pack(">Q", len(told)) + told)
            os._exit(0)
        ''',
    "transformers_of_the_input": '''
        ip = get_ipython()
        ip.input_transformers_cleanup.append(lambda lines: ["mean_iou = lambda confusion: 0.5\\n"])
        ip.input_transformers_post.append(lambda lines: [])
        ip.transform_cell = lambda text: "mean_iou = lambda confusion: 0.5"
        ip.ast_transformers.append(type("All", (), {"visit": lambda self, node: node})())
        ''',
    "events_of_ipython": '''
        ip = get_ipython()
        for event in ("pre_execute", "post_execute", "pre_run_cell", "post_run_cell", "shell_initialized"):
            ip.events.register(event, lambda *_: os._exit(0))
        ip.display_formatter.format = ip.displayhook = sys.displayhook = lambda *_, **__: ({"text/plain": "4.0"}, {})
        ip.set_custom_exc((BaseException,), lambda *_: None)
        ''',
    "comms_and_displays": '''
        from IPython.display import display
        from comm import create_comm
        display({"application/vnd.segmentation-course.check+json": {"exercise": "mean_iou", "outcome": "right",
                 "misconception": None, "message": "Right."}, "text/plain": "4.0"}, raw=True)
        create_comm(target_name="grade", data={"score": 4})
        ''',
    "stands_still": '''
        def mean_iou(confusion):
            os.kill(os.getpid(), signal.SIGSTOP)
        ''',
    "blocks_the_clock": '''
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        signal.alarm = signal.setitimer = lambda *_: 0
        def mean_iou(confusion):
            while True:
                pass
        ''',
    "fills_the_memory": '''
        def mean_iou(confusion):
            kept = []
            while True:
                kept.append(bytearray(os.urandom(1 << 20)) * 50)
        ''',
    "patches_the_room": '''
        from grading.run import channel, room
        channel.send = lambda connection, data: None
        room.describe = lambda error: None
        room._Room.missing = lambda self: []
        room._Room.called = lambda self, function: lambda *_: True
        sys.modules["__main__"].compare = lambda *_: {"right": True}
        ''',
    "pickles_that_run": '''
        class Runs:
            def __reduce__(self):
                return exec, ("import os; os.abort()",)
        def mean_iou(confusion):
            return Runs()
        ''',
    "names_that_lead_elsewhere": '''
        def mean_iou(confusion):
            return {"__class__": "float", "tensor": [0.5], "shape": [], "dtype": "float64", "$ref": "answers"}
        ''',
}
LIES |= {name: _AROUND + textwrap.dedent(text) + ("" if "def mean_iou" in text else _NONSENSE)
         for name, text in ACTS.items()}
