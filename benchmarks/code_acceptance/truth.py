"""Whether a program passes its tests when both simply run: one process in a bubblewrap box of its own, exit status 0."""

from __future__ import annotations

import math
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_BOX = """
    bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv
    --setenv PATH /usr/local/bin:/usr/bin:/bin --setenv HOME /tmp --setenv PYTHONHASHSEED 0 --setenv LANG C.UTF-8
    --setenv GOCACHE /tmp/go-cache --setenv GOPATH /tmp/go --setenv GO111MODULE off --setenv CGO_ENABLED 0
    --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin
    --ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/java-17-openjdk /etc/java-17-openjdk
    --proc /proc --dev /dev --size 268435456 --tmpfs /tmp
"""

COMMANDS: Mapping[str, tuple[str, str]] = {
    "python": ("main.py", "exec {python} -I -S main.py"),
    "javascript": ("main.js", "exec node main.js"),
    "cpp": ("main.cpp", "g++ -std=c++17 -w -o /tmp/main main.cpp && exec /tmp/main"),
    "java": (
        "Problem.java",
        "javac -nowarn -cp . -d /tmp/out *.java org/javatuples/*.java && exec java -ea -cp /tmp/out Problem",
    ),
    "rust": ("main.rs", "rustc --edition 2021 -A warnings -o /tmp/main main.rs && exec /tmp/main"),
    "go": ("main_test.go", "exec go test main_test.go"),
    "bash": ("main.sh", "exec bash main.sh"),
}
"""File of a program, and the shell command that compiles and runs it."""


def passes(language: str, program: str, *, limit_s: float, files: Mapping[str, str] | None = None) -> bool:
    """True when the program ends with status 0 within `limit_s` CPU seconds, and three times as many by the clock."""
    name, command = COMMANDS[language]
    python = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    extra: Sequence[str] = ()
    if language == "python" and not python.is_relative_to("/usr"):
        # Interpreters in a home directory cannot be read by nobody, but the box is entered as the starter's user here.
        extra = ("--ro-bind", str(Path(sys.base_prefix)), str(Path(sys.base_prefix)))
    with tempfile.TemporaryDirectory() as directory:
        for path, text in {name: program, **(files or {})}.items():
            target = Path(directory, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", errors="replace")
        argv = [*_BOX.split(), *extra, "--ro-bind", directory, "/work", "--chdir", "/work", "sh", "-c"]
        argv.append(command.format(python=python))
        assert shutil.which("bwrap"), "apt install bubblewrap"
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: _limit(limit_s, language),
            start_new_session=True,
        )
        try:
            return process.wait(3 * limit_s) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False


def _limit(limit_s: float, language: str) -> None:
    cpu = math.ceil(limit_s)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**27, 2**27))
    if language == "python":
        resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
