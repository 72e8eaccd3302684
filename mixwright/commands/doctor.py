"""Look at this machine: the sandbox for untrusted code under attack, compilers, installed extras, store and GPUs.

Exit status: 0 the sandbox held every attack; 1 it did not, or there is none (what needs no untrusted code works all the
same); 2 misuse.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mixwright.sandbox_option import add_sandbox_option
from mixwright.terminal import Painted, printable
from mixwright.version import VERSION
from mixwright_compiler.load.project_root import project_root, store_directory

if TYPE_CHECKING:
    from mixwright_runtime.verifiers.code.examination import Finding

_MARKS = {True: "ok", None: "-", False: "FAULT"}


class DoctorReport(TypedDict):
    """What was looked at, by theme. is_sound: the sandbox held. platform: the machine in words."""

    version: str
    python: str
    platform: str
    is_sound: bool
    sandbox: list[Finding]
    languages: list[Finding]
    extras: list[Finding]
    plugins: list[Finding]
    machine: list[Finding]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_sandbox_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Examine and print: 0 when untrusted code can be run here, 1 when not."""
    import asyncio

    from mixwright_runtime.sandbox.backends import named_sandbox
    from mixwright_runtime.sandbox.protocol import SandboxUnavailable
    from mixwright_runtime.verifiers.code.examination import Examination, Finding, examine, machine

    async def examined() -> Examination:
        try:
            sandbox = named_sandbox(arguments.sandbox)
        except SandboxUnavailable as error:
            return Examination([Finding("box", False, error.cause, error.remedy)])
        try:
            return await examine(sandbox)
        finally:
            await sandbox.close()

    if not arguments.json and sys.stderr.isatty():
        print("attacking the sandbox, about 10 s …", end=Painted("\r"), file=sys.stderr, flush=True)
    found = asyncio.run(examined())
    groups: dict[str, list[Finding]] = {
        "sandbox": found.walls,
        "languages": found.tools,
        "extras": _extras(),
        "plugins": _plugins(),
        "machine": [*_store(), *_gpus()],
    }
    if arguments.json:
        document: DoctorReport = {
            "version": VERSION,
            "python": sys.version.split()[0],
            "platform": machine(),
            "is_sound": found.is_sound,
            "sandbox": groups["sandbox"],
            "languages": groups["languages"],
            "extras": groups["extras"],
            "plugins": groups["plugins"],
            "machine": groups["machine"],
        }
        from mixwright.json_output import document_text

        sys.stdout.write(document_text("doctor", document))
        return 0 if found.is_sound else 1
    print(f"mixwright {VERSION}, Python {sys.version.split()[0]}, {machine()}")
    for name, findings in groups.items():
        if findings:
            print(f"\n{name}")
            _show(findings)
    if found.is_sound:
        print("\nuntrusted code can be run on this machine")
        return 0
    print("\nuntrusted code is not run on this machine: 'verify code' stops a run before its first row")
    return 1


def _show(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"  {_MARKS[finding.holds]:<5}  {finding.name:<{width}}  {printable(finding.detail)}")
        if finding.remedy:
            print(f"  {'':<5}  {'':<{width}}  → {finding.remedy}")


def _extras() -> list[Finding]:
    """Every extra that a plugin names, and whether its modules are installed."""
    from mixwright_compiler.catalog.catalog import builtin_catalog
    from mixwright_runtime.verifiers.code.examination import Finding

    modules: dict[str, set[str]] = {}
    for entry in builtin_catalog().entries.values():
        if entry.extra:
            modules.setdefault(entry.extra, set()).update(entry.modules)
    found = []
    for extra, names in sorted(modules.items()):
        missing = sorted(name for name in names if find_spec(name) is None)
        if missing:
            remedy = f"pip install 'mixwright[{extra}]'"
            found.append(Finding(extra, None, f"not installed: {', '.join(missing)}", remedy))
        else:
            found.append(Finding(extra, True, ", ".join(sorted(names))))
    return found


def _plugins() -> list[Finding]:
    """Every installed plugin, and what it declares or why it cannot be used; none of their code is run."""
    from mixwright_compiler.catalog.catalog import builtin_catalog
    from mixwright_compiler.plugins.installed import installed_plugins
    from mixwright_runtime.verifiers.code.examination import Finding

    found = []
    for plugin in installed_plugins(builtin_catalog()):
        if plugin.faults:
            fault = plugin.faults[0]
            found.append(
                Finding(plugin.name, None, f"left out: {fault.message}", f"{fault.code} at {fault.span}")
            )
        else:
            kinds = ", ".join(key.replace(".", " ") for key in plugin.declared)
            found.append(Finding(plugin.name, True, f"{plugin.identity}: {kinds}"))
    return found


def _store() -> list[Finding]:
    from mixwright_runtime.verifiers.code.examination import Finding

    directory = store_directory(project_root(Path.cwd()))
    free = shutil.disk_usage(directory if directory.exists() else Path.cwd()).free
    state = "" if directory.exists() else ", made by the first run"
    return [Finding("store", True, f"{directory}{state}; {free / 1e9:,.0f} GB free")]


def _gpus() -> list[Finding]:
    from mixwright_runtime.verifiers.code.examination import Finding

    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return [Finding("GPU", None, "none found")]
    return [Finding("GPU", True, line.strip()) for line in found.stdout.splitlines() if line.strip()]
