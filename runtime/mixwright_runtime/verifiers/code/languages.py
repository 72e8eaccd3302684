"""What it takes to compile and run a program of each language in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mixwright_runtime.sandbox.protocol import Limits

GiB = 1024**3
MiB = 1024**2

LanguageName = Literal["python", "javascript", "cpp", "java", "rust", "go", "bash", "sql"]


@dataclass(frozen=True)
class Language:
    """One language's tools.

    Attributes:
        main_file: what a program of one file is called.
        compile: the compiler's command; empty where nothing is compiled. `{files}` stands for the sources.
        sources: ending of the files that the compiler is given.
        artifacts: what the compiler leaves, relative to the working directory.
        run: the command that runs the program.
        version: a command that prints the version of the compiler, or of what runs the program; Python is the box's own.
        probe: a program that prints `ok`: it is compiled and run once before the first row.
        remedy: what to type then.
        memory_bytes: what a program of this language may take where the spec does not say.
        environment: added to the box's own.
        processes: threads that the runtime starts by itself, and some.
    """

    name: str
    main_file: str
    run: tuple[str, ...]
    probe: str
    remedy: str
    compile: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    sources: str = ""
    artifacts: tuple[str, ...] = ()
    memory_bytes: int = 512 * MiB
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: int = 32

    def run_limits(self, time_s: float, memory_bytes: int | None) -> Limits:
        """Limits of one run of `time_s` CPU seconds."""
        memory = memory_bytes or self.memory_bytes
        return Limits(PATIENCE * time_s, time_s, memory, self.processes, 64 * MiB, MiB)


PATIENCE = 3.0
"""Seconds by the clock for a CPU second: a verdict must not depend on what else the machine does. A program that sleeps
is waited for so long."""
COMPILE_LIMITS = Limits(180.0, 60.0, 2 * GiB, 64, 128 * MiB, MiB)
"""A C++ file with all of the standard library takes 1.5 CPU seconds, and ten times as long on a busy machine."""

_NO_WARNINGS = "-w"

LANGUAGES: Mapping[str, Language] = {
    "python": Language(
        "python",
        "main.py",
        ("python", "main.py"),
        'print("ok")',
        "apt install python3",
    ),
    "javascript": Language(
        "javascript",
        "main.js",
        ("node", "main.js"),
        'console.log("ok")',
        "apt install nodejs",
        version=("node", "--version"),
        # V8 reserves its code and heap spaces when it starts.
        memory_bytes=1 * GiB,
        processes=64,
    ),
    "cpp": Language(
        "cpp",
        "main.cpp",
        ("./main",),
        '#include <iostream>\nint main() { std::cout << "ok" << std::endl; }\n',
        "apt install g++",
        version=("g++", "--version"),
        compile=("g++", "-std=c++17", "-O1", _NO_WARNINGS, "-o", "main", "{files}"),
        sources=".cpp",
        artifacts=("main",),
    ),
    "java": Language(
        "java",
        "Problem.java",
        (
            "java",
            "-Xmx512m",
            "-Xss64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-ea",
            "-cp",
            "out",
        ),
        'class Problem { public static void main(String[] a) { System.out.println("ok"); } }\n',
        "apt install default-jdk-headless",
        version=("javac", "-version"),
        compile=(
            "javac",
            "-nowarn",
            "-proc:none",
            "-encoding",
            "UTF-8",
            "-J-Xmx512m",
            "-J-XX:+UseSerialGC",
            "-d",
            "out",
            "{files}",
        ),
        sources=".java",
        artifacts=("out",),
        memory_bytes=2 * GiB,
        processes=96,
    ),
    "rust": Language(
        "rust",
        "main.rs",
        ("./main",),
        'fn main() { println!("ok"); }\n',
        "apt install rustc",
        version=("rustc", "--version"),
        compile=(
            "rustc",
            "--edition",
            "2021",
            "-A",
            "warnings",
            "-C",
            "opt-level=1",
            "-C",
            "strip=symbols",
            "-o",
            "main",
            "main.rs",
        ),
        artifacts=("main",),
    ),
    "go": Language(
        "go",
        "main.go",
        ("./main",),
        'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("ok") }\n',
        "apt install golang-go",
        version=("go", "version"),
        compile=("go", "build", "-ldflags=-s -w", "-o", "main", "{files}"),
        sources=".go",
        artifacts=("main",),
        memory_bytes=1 * GiB,
        environment={
            "GOCACHE": "/tmp/go-cache",
            "GOPATH": "/tmp/go",
            "GO111MODULE": "off",
            "GOFLAGS": "-p=1",
            "CGO_ENABLED": "0",
        },
        processes=96,
    ),
    "bash": Language(
        "bash",
        "main.sh",
        ("bash", "main.sh"),
        "echo ok",
        "apt install bash",
        version=("bash", "--version"),
    ),
    "sql": Language("sql", "query.sql", (), "", "pip install duckdb"),
}


def main_class_of(source: str) -> str:
    """The class that `java` starts: the public one, else the one with `main`, else the first; `Main` without any."""
    import re

    public = re.search(r"^\s*public\s+(?:final\s+|abstract\s+)*class\s+(\w+)", source, re.M)
    if public:
        return public.group(1)
    start = source.find("public static void main")
    classes = re.finditer(r"^\s*(?:final\s+|abstract\s+)*class\s+(\w+)", source, re.M)
    before = [m.group(1) for m in classes if start < 0 or m.start() < start]
    return before[-1 if start >= 0 else 0] if before else "Main"
