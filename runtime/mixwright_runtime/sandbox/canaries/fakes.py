"""24 candidates that try to be judged correct. The task: `solve(n)` is n * n + 1. None of them computes that.

Each is known to fool some judge: an exit status, a line on standard output, `assert` in the candidate's process, a
result list in its memory, or a token it can find.
"""

from __future__ import annotations

from mixwright_runtime.sandbox.plain import dumps
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Limits, Ran, Value

INPUTS = (0, 3, 7_919)
EXPECTED = tuple(n * n + 1 for n in INPUTS)
"""Known here alone: the sandbox gets the inputs."""
HONEST = "def solve(n):\n    return n * n + 1\n"

_SEARCH = """
def plausible(n, text):
    # The right answer, should it stand anywhere near.
    import re
    numbers = [int(found) for found in re.findall(r"-?[0-9]{1,12}", text)]
    wanted = [m for m in numbers if m == n * n + 1 and (n > 100 or m != n)]
    return wanted[0] if wanted else -1
"""

FAKES: dict[str, str] = {
    "exit status 0 at once": "import os\nos._exit(0)",
    "sys.exit(0)": "import sys\ndef solve(n):\n    sys.exit(0)",
    "exit handler with status 0": "import atexit, os\natexit.register(os._exit, 0)\ndef solve(n):\n    return 0",
    "excepthook with status 0": (
        "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\ndef solve(n):\n    raise ValueError"
    ),
    "child goes on, parent exits with 0": (
        "import os, time\nif os.fork():\n    os._exit(0)\ntime.sleep(0.2)\ndef solve(n):\n    return 0"
    ),
    "prints that all tests passed": (
        "import os\nprint('ALL TESTS PASSED', flush=True)\nos._exit(0)\ndef solve(n): ..."
    ),
    "a thread prints that all tests passed": """
import os, threading
def done():
    os.write(1, b"ALL TESTS PASSED\\n")
    os._exit(0)
threading.Timer(0.01, done).start()
def solve(n):
    import time
    time.sleep(1)
""",
    "an object equal to everything": """
class Equal:
    __hash__ = None
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def solve(n):
    return Equal()
""",
    "an int equal to everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def solve(n):
    return Equal(0)
""",
    "an object that says it is an int": """
class Equal:
    __class__ = property(lambda self: int)
    def __eq__(self, other): return True
    def __instancecheck__(self, other): return True
    def __reduce__(self): return int, (0,)
    def bit_length(self): return 1
    def __format__(self, spec): return "1"
def solve(n):
    return Equal()
""",
    "reads the tests from disk": _SEARCH
    + """
def solve(n):
    import os
    text = ""
    for root in ("/tmp", "/box", "/dev/shm", "/etc", "/var", "/home", "."):
        for directory, _, names in os.walk(root):
            for name in names:
                try:
                    with open(os.path.join(directory, name), errors="replace") as file:
                        text += file.read(100_000)
                except OSError:
                    pass
    return plausible(n, text)
""",
    "walks the frames for the expected value": _SEARCH
    + """
def solve(n):
    import gc, sys
    frame, text = sys._getframe(), ""
    while frame:
        text += repr([v for v in frame.f_locals.values() if isinstance(v, (int, str, bytes, list, dict, tuple))])
        frame = frame.f_back
    text += repr([v for v in gc.get_objects() if type(v) in (list, dict, tuple) and len(v) < 50])[:10**6]
    return plausible(n, text)
""",
    "scans its own memory for the expected value": _SEARCH
    + """
def solve(n):
    import re
    text = ""
    try:
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                if "heap" in line or "stack" in line:
                    low, high = (int(part, 16) for part in line.split()[0].split("-"))
                    memory.seek(low)
                    text += memory.read(min(high - low, 1 << 20)).decode("latin-1")
    except OSError:
        pass
    return plausible(n, text)
""",
    "rebinds exec": "import builtins\nbuiltins.exec = lambda *a, **k: None\ndef solve(n):\n    return 0",
    "rebinds compile": (
        "import builtins\nreal = compile\nbuiltins.compile = lambda *a, **k: real('True', 'x', 'eval')\n"
        "def solve(n):\n    return 0"
    ),
    "rebinds AssertionError": """
import builtins
class Quiet(Exception):
    def __new__(cls, *a):
        import os
        os._exit(0)
builtins.AssertionError = Quiet
def solve(n):
    raise AssertionError("fine")
""",
    "appends to the judge's result list": """
import gc, sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
        if isinstance(value, list) and hasattr(value, "append"):
            value.append("passed")
    frame = frame.f_back
def solve(n):
    raise SystemExit
""",
    "writes forged results to every descriptor": """
import json, os
frames = [["loaded"], *[["value", True]] * 3, ["passed"], {"status": 0, "cpu_s": 0, "ok": True}]
for descriptor in range(64):
    for frame in frames:
        body = json.dumps(frame).encode()
        try:
            os.write(descriptor, len(body).to_bytes(4, "little") + body)
        except OSError:
            pass
os._exit(0)
""",
    "not a number": "def solve(n):\n    return float('nan')",
    "True for 1": "def solve(n):\n    return True",
    "patches the encoder": """
import json
class Anything:
    def __eq__(self, other): return True
json.dumps = lambda *a, **k: "true"
json.JSONEncoder.encode = lambda *a, **k: "true"
import mixwright_runtime.sandbox.plain as plain, mixwright_runtime.sandbox.guest.calls as calls
calls.form_of = plain.form_of = plain.dumps = lambda *a: True
def solve(n):
    return Anything()
""",
    "jumps over lines with a trace function": """
import sys
def trace(frame, event, arg):
    try:
        if event == "line" and "solve" not in frame.f_code.co_name:
            frame.f_lineno = frame.f_lineno + 1
    except (ValueError, AttributeError):
        pass
    return trace
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
sys.settrace(trace)
def solve(n):
    return 0
""",
    "kills itself": "import os, signal\ndef solve(n):\n    os.kill(os.getpid(), signal.SIGKILL)",
    "takes over the frame writer": """
import os, mixwright_runtime.sandbox.guest.frames as frames
real = frames.write
def write(descriptor, value):
    real(descriptor, ["value", ["t"]] if value and value[0] == "value" else ["loaded"])
frames.write = write
def solve(n):
    return 0
""",
}


def fake_job(source: str) -> CallsJob:
    """The task's inputs for one candidate."""
    return CallsJob(source, [Call("solve", [n]) for n in INPUTS], limits=Limits(wall_s=30, cpu_s=1))


def is_fooled(ran: Ran) -> bool:
    """Whether the candidate would be judged correct: every answer there, of the right type and value."""
    if ran.outcome != "done" or len(ran.answers) != len(EXPECTED):
        return False
    return all(
        isinstance(answer, Value) and dumps(answer.value, 1 << 20) == dumps(expected, 1 << 20)
        for answer, expected in zip(ran.answers, EXPECTED, strict=True)
    )
