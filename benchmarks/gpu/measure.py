"""Measure a machine with one GPU, part by part: `benchmarks/gpu/run.sh [--wheels DIR] [--out DIR] [--seconds N]`.

Each part is a process of its own with a limit of its own; one that fails or takes too long is told, and the next
begins. `figures.json` is written anew after every part, so that what was measured stays; `table.md` at the end.
Nothing here needs more than the standard library: a machine that lacks everything is told what it lacks.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OURS = [str(ROOT / folder) for folder in ("", "dsl", "compiler", "runtime")]
SECONDS = 460.0
"""Of all parts together: under eight minutes."""
WORTH_STARTING_S = 5.0


@dataclass(frozen=True)
class Part:
    """A part: its function as MODULE:NAME, and the share of all seconds after which it is ended."""

    name: str
    function: str
    share: float


def _part(name: str, share: float) -> Part:
    return Part(name, f"benchmarks.gpu.parts:{name}", share)


# In order of worth. Together more than 1: what one leaves over is the others'.
PARTS = (
    _part("machine", 0.10),
    _part("small", 0.30),
    _part("equality", 0.16),
    _part("resume", 0.26),
    _part("probe", 0.20),
    _part("largest", 0.40),
    _part("engines", 0.20),
)


@dataclass(frozen=True)
class Outcome:
    """How a part ended: done, wrong (it ran, and a figure must not be so), skipped, failed, or out of time."""

    name: str
    status: str
    seconds: float
    why: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """The Python that runs the parts. installed: from the wheels; lacking: requirements that nothing meets, with why."""

    python: str
    installed: tuple[str, ...] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def main(arguments: Sequence[str] | None = None, *, parts: Sequence[Part] = PARTS) -> int:
    """Measure; 0 when each part is done or skipped, 1 otherwise. `parts` replaces those of the benchmark."""
    given = _parser(parts).parse_args(arguments)
    out = given.out.resolve()
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    began = time.monotonic()
    environment = environment_with(required(), given.wheels, work / "venv", limit_s=given.seconds / 4)
    for name, why in environment.lacking.items():
        print(f"lacks {name}: {why}", flush=True)
    is_toy, why_toy = given.toy, "asked for" if given.toy else ""
    outcomes: list[Outcome] = []
    chosen = [part for part in parts if not given.parts or part.name in given.parts]
    try:
        for part in chosen:
            left = given.seconds - (time.monotonic() - began)
            limit = min(part.share * given.seconds, left)
            if left < WORTH_STARTING_S:
                outcome = Outcome(part.name, "skipped", 0.0, f"{given.seconds:.0f} seconds are over")
            else:
                request = {
                    "work": str(work),
                    "out": str(out),
                    "is_toy": is_toy,
                    "variants": given.variants,
                    "seconds": limit,
                }
                outcome = run_part(part, environment.python, request, limit_s=limit)
            outcomes.append(outcome)
            print(
                f"{part.name}: {outcome.status}, {outcome.seconds:.0f} s {outcome.why}".rstrip(), flush=True
            )
            if part.name == "machine" and not is_toy and not outcome.found.get("cuda"):
                is_toy = True
                why_toy = str(outcome.found.get("why_no_cuda") or outcome.why or "no CUDA device was found")
                print(f"everything at toy size: {why_toy}", flush=True)
            _write(out, environment, outcomes, is_toy, why_toy, time.monotonic() - began)
    finally:
        _write(out, environment, outcomes, is_toy, why_toy, time.monotonic() - began)
        if not given.keep:
            shutil.rmtree(work, ignore_errors=True)
    text = table(outcomes, is_toy)
    (out / "table.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nwrote {out / 'figures.json'}")
    return 0 if all(outcome.status in ("done", "skipped") for outcome in outcomes) else 1


def _parser(parts: Sequence[Part]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="wheels of what this machine lacks")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("out/gpu"), help="where figures go")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for everything ({SECONDS:.0f})")
    parser.add_argument("--toy", action="store_true", help="sizes of a test, also where there is a GPU")
    names = [part.name for part in parts]
    parser.add_argument("--parts", nargs="*", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument(
        "--variants", nargs="*", default=["packed", "padded", "chunked"], help="of the training runs"
    )
    parser.add_argument("--keep", action="store_true", help="keep models, runs and logs in DIR/work")
    return parser


def required() -> list[str]:
    """What the project and its training need, as `pyproject.toml` says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["train"]]


def environment_with(
    requirements: Sequence[str], wheels: Path | None, place: Path, *, limit_s: float = 120.0
) -> Environment:
    """A Python that has what this one has and, from `wheels`, what it lacks. This one's own packages are not touched.

    It is a virtual environment at `place` that looks behind its own packages into this Python's. A plain
    `--system-site-packages` would look past the virtual environment that this Python may itself live in.
    """
    lacking = [text for text in requirements if not _is_met(text, importlib.metadata.version)]
    if not lacking:
        return Environment(sys.executable)
    if wheels is None:
        return Environment(sys.executable, lacking=dict.fromkeys(lacking, "no --wheels was given"))
    if not wheels.is_dir():
        note = f"there is no folder {wheels}"
        return Environment(sys.executable, lacking=dict.fromkeys(lacking, note), note=note)
    deadline = time.monotonic() + limit_s
    try:
        python = _beside(place)
    except (OSError, subprocess.SubprocessError) as error:
        note = f"no virtual environment could be made: {error}"
        return Environment(sys.executable, lacking=dict.fromkeys(lacking, note), note=note)

    def install(*named: str) -> str:
        """Why pip did not install these; empty when it did."""
        command = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-compile"]
        command += ["--disable-pip-version-check", "--find-links", str(wheels.resolve()), *named]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        left = deadline - time.monotonic()
        if left <= 0:
            return "no time was left to install it"
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=left,
                env={**clean, "PIP_CONFIG_FILE": os.devnull},
            )
        except subprocess.TimeoutExpired:
            return "pip ran out of time"
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return "" if done.returncode == 0 else (lines or ["pip failed without a word"])[-1].strip()

    def version_of(name: str) -> str:
        here = importlib.metadata.Distribution.discover(name=name, path=[str(_packages_of(place))])
        return next((found.version for found in here), "") or importlib.metadata.version(name)

    failed: dict[str, str] = {}
    if install(*lacking):
        # One that is not in the folder must not cost the others.
        failed = {text: why for text in lacking if (why := install(text))}
        # One whose own needs are not all there may run with those that are.
        for wheel in sorted(wheels.glob("*.whl")) if failed else ():
            if not _is_met(wheel.name.partition("-")[0], version_of):
                install("--no-deps", str(wheel.resolve()))
        failed = {text: why for text, why in failed.items() if not _is_met(text, version_of)}
    installed = tuple(
        f"{found.name} {found.version}"
        for found in importlib.metadata.distributions(path=[str(_packages_of(place))])
    )
    return Environment(python, tuple(sorted(installed)), failed)


def _is_met(requirement: str, version_of: Callable[[str], str]) -> bool:
    """Is there a version of it, and not one below the least that is asked for?"""
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    try:
        found = version_of(name.group())
    except importlib.metadata.PackageNotFoundError:
        return False
    least = re.search(r">=\s*([\d.]+)", requirement)
    return least is None or _numbers(found) >= _numbers(least.group(1))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _beside(place: Path) -> str:
    """A virtual environment that sees this Python's packages after its own; returns its interpreter."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(place)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    seen = dict.fromkeys(
        [
            sysconfig.get_path("purelib"),
            sysconfig.get_path("platlib"),
            *site.getsitepackages(),
            *([site.getusersitepackages()] if site.ENABLE_USER_SITE else []),
        ]
    )
    lines = [f"import site; site.addsitedir({path!r})" for path in seen if Path(path).is_dir()]
    (_packages_of(place) / "machine.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(place / "bin" / "python")


def _packages_of(place: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))


def run_part(
    part: Part,
    python: str,
    request: Mapping[str, Any],
    *,
    limit_s: float,
    wait: Callable[[subprocess.Popen[bytes], float], Any] = subprocess.Popen.wait,
) -> Outcome:
    """Run a part as a process; what it found before it failed or was ended is kept. `wait` is replaced in tests."""
    place = Path(request["work"]) / part.name
    place.mkdir(parents=True, exist_ok=True)
    asked, told = place / "request.json", place / "result.json"
    told.unlink(missing_ok=True)
    asked.write_text(json.dumps(request), encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [*OURS, os.environ.get("PYTHONPATH")])),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    began = time.monotonic()
    with (place / "log").open("wb") as log:
        child = subprocess.Popen(
            [python, "-m", "benchmarks.gpu.child", part.function, str(asked), str(told)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        is_over = False
        with _ended(child):
            try:
                wait(child, limit_s)
            except subprocess.TimeoutExpired:
                is_over = True
    seconds = round(time.monotonic() - began, 1)
    result = _result(told)
    found = result.get("found", {})
    if is_over:
        return Outcome(part.name, "out of time", seconds, f"it was ended after {limit_s:.0f} s", found)
    if result.get("status") in ("done", "wrong", "skipped", "failed"):
        return Outcome(part.name, result["status"], seconds, result.get("why", ""), found)
    lines = (place / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    why = f"exit status {child.returncode}: {lines[-1] if lines else 'without a word'}"
    return Outcome(part.name, "failed", seconds, why, found)


def _result(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


@contextmanager
def _ended(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Afterwards neither the child nor any process that it started, in whatever session, is there and holds the GPU."""
    try:
        yield
    finally:
        if child.poll() is None:
            family = [child.pid, *_descendants(child.pid)]
            for pid in family:
                _kill(pid)
            child.wait()
            deadline = time.monotonic() + 20
            while any(map(_is_running, family)) and time.monotonic() < deadline:
                time.sleep(0.1)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Processes below `pid`; on a system without /proc none are known."""
    below: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        state = _stat(file)
        if state:
            below.setdefault(int(state[1]), []).append(int(file.parent.name))
    found = list(below.get(pid, []))
    for one in found:
        found.extend(below.get(one, []))
    return found


def _is_running(pid: int) -> bool:
    state = _stat(Path(f"/proc/{pid}/stat"))
    return bool(state) and state[0] not in "ZX"


def _stat(file: Path) -> list[str]:
    """State and parent, and what follows; empty for a process that is gone."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _write(
    out: Path,
    environment: Environment,
    outcomes: Sequence[Outcome],
    is_toy: bool,
    why_toy: str,
    seconds: float,
) -> None:
    figures = {
        "toy": is_toy,
        "why_toy": why_toy,
        "seconds": round(seconds, 1),
        "environment": asdict(environment),
        "parts": {outcome.name: asdict(outcome) for outcome in outcomes},
    }
    partial = out / "figures.partial"
    partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    partial.replace(out / "figures.json")


def table(outcomes: Sequence[Outcome], is_toy: bool) -> str:
    """The figures as Markdown tables, to be read and to be put into `benchmarks/README.md`."""
    found = {outcome.name: outcome.found for outcome in outcomes}
    machine = found.get("machine", {})
    of = machine.get("device") or f"a CPU with {machine.get('cores', '?')} cores"
    lines = [f"On {of}, torch {machine.get('torch', '?')}{', at toy size' if is_toy else ''}.", ""]
    lines += ["| part | | seconds | |", "|---|---|---:|---|"]
    lines += [f"| {one.name} | {one.status} | {one.seconds:.0f} | {_cell(one.why)} |" for one in outcomes]
    runs = [
        (_size(run["parameters"]) if run.get("parameters") else part, name, run)
        for part in ("small", "largest")
        for name, run in found.get(part, {}).get("runs", {}).items()
    ]
    if runs:
        lines += ["", "| model | | micro-batch | full | tokens/s | MFU | planned | peak GB | planned | |"]
        lines += ["|---|---|---:|---:|---:|---:|---:|---:|---:|---|"]
        lines += [_run_line(model, name, run) for model, name, run in runs]
    told = found.get("probe", {})
    if "utilisation" in told:
        lines += ["", f"Probe: {told['utilisation']:.1%} of {told['peak'] / 1e12:,.0f} TFLOP/s."]
    return "\n".join(lines) + "\n"


def _run_line(model: str, name: str, run: Mapping[str, Any]) -> str:
    if "why" in run:
        return f"| {model} | {name} | | | | | | | | {_cell(run['why'])} |"
    planned = run["planned_bytes"]
    cells = [
        f"{run['micro_batch']} x {run['context']}",
        f"{run['fill']:.1%}",
        f"{run['tokens_per_s']:,.0f}",
        _percent(run.get("mfu")),
        _percent(run.get("planned_mfu")),
        f"{run['peak_bytes'] / 1e9:.1f}",
        f"{planned / 1e9:.1f}",
        "" if run["is_on_gpu"] else "the process's memory, not a GPU's",
    ]
    return f"| {model} | {name} | {' | '.join(cells)} |"


def _size(parameters: float) -> str:
    return f"{parameters / 1e9:.3g}B" if parameters >= 1e8 else f"{parameters / 1e6:.3g}M"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:200]


def _leave(signal_number: int, frame: Any) -> None:
    """Leave by an exception, so that the part under way is ended too: `timeout` sends SIGTERM."""
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main())
