"""32 programs that try to get out: to read or write what is not theirs, to reach the network, to take all there is.

Each is Python source with a function `attack()` that returns what it achieved, or an empty text. Some cannot tell
themselves whether they succeeded (a file left for the next job): those are judged from outside (`traps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mixwright_runtime.sandbox.canaries.traps import Traps
from mixwright_runtime.sandbox.guest.kernel import MACHINE
from mixwright_runtime.sandbox.guest.syscalls import BOX, CONDITIONAL, NATIVE, PYTHON, REFUSED, numbers
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Job, Limits, ProgramJob, Ran, Value

LIMITS = Limits(wall_s=20, cpu_s=4, memory_bytes=256 * 1024**2)
SECRET = "mixwright-canary-secret"


@dataclass(frozen=True)
class Escape:
    """One attack.

    Attributes:
        name: what is tried.
        jobs: to run one after the other.
        achieved: from their results, what was achieved; empty when it was held.
        needs_cgroup: cannot be held for certain without a memory cgroup.
    """

    name: str
    jobs: Sequence[Job]
    achieved: Callable[[Sequence[Ran]], str]
    needs_cgroup: bool = False


_PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {numbers!r}
def system(name, *arguments):
    values = [a.encode() if isinstance(a, str) else a for a in arguments]
    return libc.syscall(NUMBERS[name], *values)
def worked(name, *arguments):
    return f"{{name}} worked" if system(name, *arguments) >= 0 else ""
def text_of(path):
    try:
        with open(path, errors="replace") as file:
            return file.read(10_000)
    except OSError:
        return ""
"""


def prelude() -> str:
    """What every attack starts with: system calls by name."""
    table = numbers(PYTHON + NATIVE + BOX + CONDITIONAL + REFUSED, MACHINE)
    return _PRELUDE.format(numbers=table)


def escapes(traps: Traps) -> list[Escape]:
    """All attacks; `traps` are what they may find on the host."""
    own = [_own(name, source) for name, source in _sources(traps).items()]
    own.append(_own("stop its whole process group", _STOP, replace(LIMITS, wall_s=1)))
    return [*own, *_greedy(), *_ending(), *_left_behind()]


def attack_source(body: str) -> str:
    """Source of a module whose function `attack()` has this body."""
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    return f"{prelude()}\ndef attack():\n{indented}\n    return ''\n"


def _own(name: str, body: str, limits: Limits = LIMITS) -> Escape:
    """An attack that says itself what it achieved."""
    return Escape(name, [CallsJob(attack_source(body), [Call("attack")], limits=limits)], said)


def said(runs: Sequence[Ran]) -> str:
    """What an attack says it achieved."""
    for answer in runs[0].answers:
        if isinstance(answer, Value) and answer.value:
            return str(answer.value)[:200]
    return "the box failed" if runs[0].outcome == "sandbox_error" else ""


def _sources(traps: Traps) -> dict[str, str]:
    return {
        "read /etc/shadow": "if text_of('/etc/shadow'): return 'read it'",
        "read a file of the host": f"if text_of({str(traps.file)!r}): return 'read it'",
        "read secrets in its environment": f"if {SECRET!r} in str(os.environ): return 'found one'",
        "read another process's environment": f"""
for pid in [*range(1, 300), os.getppid()]:
    for name in ("environ", "cmdline"):
        if {SECRET!r} in text_of(f"/proc/{{pid}}/{{name}}"): return f"found one in process {{pid}}"
""",
        "connect to the host's loopback": f"""
try:
    socket.create_connection(("127.0.0.1", {traps.tcp_port}), 1)
    return "connected"
except OSError:
    pass
""",
        "connect to an abstract socket of the host": f"""
try:
    s = socket.socket(socket.AF_UNIX)
    s.connect({traps.abstract_name!r})
    return "connected"
except OSError:
    pass
""",
        "send a datagram": f"""
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"x", ("127.0.0.1", {traps.udp_port}))
    return "sent"
except OSError:
    pass
""",
        "write to /usr": """
for path in ("/usr/canary", "/usr/bin/canary", "/box/canary", "/canary", "/etc/canary", "/dev/canary"):
    try:
        open(path, "w").close()
        return "wrote " + path
    except OSError:
        pass
""",
        "remount /usr writable": """
for target in ("/usr", "/", "/box", "/tmp"):
    for flags in (0x20, 0x1020, 0):
        if system("mount", "none", target, None, flags, None) >= 0: return "remounted " + target
try:
    open("/usr/canary", "w").close()
    return "wrote to it"
except OSError:
    pass
""",
        "kill its parent": """
parent = os.getppid()
for pid in (1, parent):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP):
        try: os.kill(pid, number)
        except OSError: pass
time.sleep(0.05)
if os.getppid() != parent: return "killed it"
""",
        "trace its parent": """
for pid in (1, os.getppid()):
    if system("ptrace", 16, pid, 0, 0) >= 0: return "attached"
    if text_of(f"/proc/{pid}/mem") or text_of(f"/proc/{pid}/maps"): return "read its memory"
    class Part(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    local = Part(ctypes.cast(ctypes.create_string_buffer(8), ctypes.c_void_p), 8)
    remote = Part(0x400000, 8)
    if system("process_vm_readv", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) >= 0: return "read it"
""",
        "fork 300 times": """
count = 0
try:
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(100)
            os._exit(0)
        count += 1
except OSError:
    pass
if count > 40: return f"{count} processes"
""",
        "take 2 GiB": """
try:
    block = bytearray(2 << 30)
    return "took it"
except MemoryError:
    pass
""",
        "fill /tmp": """
written = 0
try:
    for n in range(30):
        with open(f"/tmp/{n}", "wb") as file:
            for _ in range(10):
                written += file.write(bytes(1 << 20))
except OSError:
    pass
if written > 40 << 20: return f"{written >> 20} MiB"
""",
        "fill /dev/shm and anonymous files": """
written = 0
try:
    for n in range(20):
        with open(f"/dev/shm/{n}", "wb") as file:
            for _ in range(10):
                written += file.write(bytes(1 << 20))
except OSError:
    pass
for n in range(30):
    try:
        with open(os.memfd_create("x"), "wb") as file:
            for _ in range(10): written += file.write(bytes(1 << 20))
    except OSError:
        break
if written > 40 << 20: return f"{written >> 20} MiB"
""",
        "make namespaces of its own": """
for flags in (0x10000000, 0x10020000, 0x00020000, 0x20000000, 0x40000000):
    if system("unshare", flags) >= 0: return "unshare worked"
    pid = system("clone", flags | 17, 0, 0, 0, 0)
    if pid == 0: os._exit(0)
    if pid > 0: return "clone worked"
    pid = system("clone3", (ctypes.c_uint64 * 8)(flags, 0, 0, 0, 17, 0, 0, 0), 64)
    if pid == 0: os._exit(0)
    if pid > 0: return "clone3 worked"
for name in ("net", "mnt", "user"):
    try:
        if system("setns", os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0) >= 0: return "setns worked"
    except OSError:
        pass
""",
        "set up io_uring": "return worked('io_uring_setup', 4, ctypes.create_string_buffer(248))",
        "load a BPF program": "return worked('bpf', 0, ctypes.create_string_buffer(b'\\2' + bytes(127)), 128)",
        "use the kernel's keyring": """
if system("add_key", "user", "canary", "x", 1, -1) >= 0: return "added a key"
return worked("keyctl", 0, -3, 1)
""",
        "open a performance event": (
            "what = ctypes.create_string_buffer(bytes([1, 0, 0, 0, 128]) + bytes(200))\n"
            "return worked('perf_event_open', what, 0, -1, -1, 0)"
        ),
        "open a userfaultfd": "return worked('userfaultfd', 1)",
    }


_STOP = """
if os.fork() == 0:
    for target in (-1, 0):
        try: os.kill(target, signal.SIGSTOP)
        except OSError: pass
    os._exit(0)
time.sleep(0.1)
"""


def _greedy() -> list[Escape]:
    """Attacks on memory and output, judged by how they ended and what arrived."""
    bomb = """
pids = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        block = bytearray(b"x") * (200 << 20)
        time.sleep(1.5)
        os._exit(0)
    pids.append(pid)
alive = sum(os.waitpid(pid, 0)[1] == 0 for pid in pids)
if alive > 3: return f"{alive} x 200 MiB"
"""
    deep = "value = []\nfor _ in range(100_000): value = [value]\nreturn value"
    shout = b"import os\nfor _ in range(600):\n    os.write(1, bytes(1 << 20))\n"

    def too_much(runs: Sequence[Ran]) -> str:
        arrived = len(runs[0].stdout)
        return f"{arrived} bytes arrived" if arrived > LIMITS.output_bytes else ""

    def arrived(runs: Sequence[Ran]) -> str:
        return "it arrived" if any(isinstance(answer, Value) for answer in runs[0].answers) else ""

    large = CallsJob(attack_source("return 'x' * (100 << 20)"), [Call("attack")], limits=LIMITS)
    return [
        Escape(
            "take 1.2 GiB in six processes",
            [CallsJob(attack_source(bomb), [Call("attack")], limits=LIMITS)],
            said,
            needs_cgroup=True,
        ),
        Escape(
            "write 600 MiB to standard output",
            [ProgramJob(["python", "main.py"], {"main.py": shout}, limits=LIMITS)],
            too_much,
        ),
        Escape("return 100 MiB", [large], arrived),
        Escape(
            "return 100,000 levels",
            [CallsJob(attack_source(deep), [Call("attack")], limits=LIMITS)],
            arrived,
        ),
    ]


def _ending() -> list[Escape]:
    """Attacks that try not to end; every one must be over within its deadline and leave no process."""
    loops = {
        "loop for ever": "while True: pass",
        "sleep for ever": "time.sleep(10**6)",
        "leave a daemon": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        time.sleep(10**6)
    os._exit(0)
os._exit(0)
""",
        "hold every pipe open in a child": """
if os.fork() == 0:
    time.sleep(10**6)
os.close(4)
time.sleep(10**6)
""",
    }
    limits = Limits(wall_s=0.7, cpu_s=4)

    def late(runs: Sequence[Ran]) -> str:
        return (
            ""
            if runs[0].wall_s < 15 and runs[0].outcome != "sandbox_error"
            else f"took {runs[0].wall_s:.0f} s"
        )

    return [
        Escape(name, [CallsJob(attack_source(body), [Call("attack")], limits=limits)], late)
        for name, body in loops.items()
    ]


def _left_behind() -> list[Escape]:
    leave = """
for path in ("/tmp/left", "/dev/shm/left", "/left", "/box/left", "/usr/left", "left"):
    try: open(path, "w").write("left")
    except OSError: pass
"""
    find = """
found = [p for p in ("/tmp/left", "/dev/shm/left", "/left", "/box/left", "/usr/left") if os.path.exists(p)]
if found: return str(found)
"""
    first, second = (CallsJob(attack_source(body), [Call("attack")], limits=LIMITS) for body in (leave, find))
    link = "ln -s /etc/shadow out; ln -s /etc dir; mkdir d; ln -s /etc/passwd d/x; ln -s /etc d/e"
    collect = ProgramJob(["sh", "-c", link], collect=["out", "dir", "d"], limits=LIMITS)
    return [
        Escape("leave a file for the next job", [first, second], lambda runs: said(runs[1:])),
        Escape(
            "return a link as its output",
            [collect],
            lambda runs: f"collected {sorted(runs[0].files)}" if runs[0].files else "",
        ),
    ]
