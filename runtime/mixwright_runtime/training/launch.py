"""Start the ranks of a job, follow them, and stop them: `torchrun` as a child in a session of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import Damaged
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.curve import COMPLETE, FAILED, LAUNCHER_PID, read_curve
from mixwright_runtime.training.ranks import has_gpu
from mixwright_runtime.training.state import read_state

_POLL_S = 0.2
_ROOM = 1 << 20
"""Bytes; a device with fewer free is full."""
_FULL = re.compile("No space left on device|Disk quota exceeded")
_PAUSE_LIMIT_S = 300.0
"""How long ranks may take to reach their checkpoint after a first interrupt."""


@dataclass(frozen=True)
class Ended:
    """How the ranks ended: `done`, `paused`, or `measured` where they wait for a measurement or stop after one; at which
    step, and the loss of the probe if done."""

    how: str
    step: int
    probe_loss: float | None = None


def read_ended(path: Path) -> Ended:
    """How the ranks ended, as rank 0 wrote it.

    Raises:
        Damaged: the file holds something else.
    """
    return read_state(Ended, path, what_to_do="delete it, and the same command goes on")


@dataclass(frozen=True)
class Nodes:
    """The machines of a job: this one's number `rank` of `count`, and the first one's address."""

    count: int = 1
    rank: int = 0
    master: str = ""
    port: int = 29500

    def arguments(self, ranks: int) -> list[str]:
        """What `torchrun` is told on this node."""
        if self.count == 1:
            return ["--standalone", f"--nproc_per_node={ranks}"]
        return [
            f"--nnodes={self.count}",
            f"--node_rank={self.rank}",
            f"--nproc_per_node={ranks // self.count}",
            f"--master_addr={self.master}",
            f"--master_port={self.port}",
        ]


class Interrupted(RunError):
    """The user stopped the run; a checkpoint holds what was trained."""

    exit_code = 130


def run_ranks(
    directory: Path,
    *,
    ranks: int,
    on_line: Callable[[dict[str, Any]], None],
    pause_after: int = 0,
    is_sharded: bool = True,
    nodes: Nodes | None = None,
    told: Callable[[list[str]], None] | None = None,
) -> Ended:
    """Run the job of a prepared directory to its end; resumes from its last complete checkpoint.

    ranks: over all nodes. on_line: called with each new line of the curve. is_sharded: ZeRO is on, so that another number
    of ranks needs the checkpoint converted first. told: hears the job's arguments before the ranks start. The first
    interrupt (Ctrl-C) lets the ranks save a checkpoint and end; a second one ends them at once.

    Raises:
        Interrupted: after either.
        RunError: a rank failed; the message says how and where the log is.
    """
    stop, ended_file, log = directory / "STOP", directory / "ended.json", directory / "ranks.log"
    stop.unlink(missing_ok=True)
    ended_file.unlink(missing_ok=True)
    for failure in directory.glob(f"{FAILED}*"):
        failure.unlink()
    resume = last_checkpoint(directory / "checkpoints")
    _drop_unfinished(directory / "checkpoints", resume)
    job = ["--resume", str(resume.place) if resume else "", "--pause-after", str(pause_after)]
    if resume is not None and resume.ranks != ranks and is_sharded:
        made_universal(resume)
        job.append("--universal")
    if told is not None:
        told(job)
    command = ranks_command(directory, nodes or Nodes(), ranks, job)
    seen = _line_count_at(directory / "curve.jsonl", resume)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=ranks_environment(ranks // (nodes.count if nodes else 1), is_alone=nodes is None),
            # Its own session: Ctrl-C of a terminal reaches this process alone, which then asks the ranks to end.
            start_new_session=True,
        )
        try:
            seen = _follow(child, directory, seen, on_line, stop)
        finally:
            end_session(child)
    for line in read_curve(directory / "curve.jsonl")[seen:]:
        on_line(line)
    # The marker decides, not the exit status: tearing down process groups can fail after all is written.
    if ended_file.exists():
        ended = read_ended(ended_file)
        if stop.exists() and ended.how != "done":
            stop.unlink()
            raise Interrupted(f"stopped at step {ended.step}; the same command continues from there")
        return ended
    raise RunError(
        f"training failed (exit status {child.returncode}): {_reason(directory)}; checkpoints are kept and the same "
        f"command continues; the whole story is in {log}"
    )


def _reason(directory: Path) -> str:
    """What the first failing rank said, or that one ended without a word (killed for memory, most often)."""
    stories = {
        file.name.removeprefix(FAILED): file.read_text(encoding="utf-8", errors="replace").strip()
        for file in sorted(directory.glob(f"{FAILED}*"), key=lambda file: file.stat().st_mtime)
    }
    # torch says of a full disk that a position is unexpected, and there may have been no room for the story.
    if shutil.disk_usage(directory).free < _ROOM or any(map(_FULL.search, stories.values())):
        return f"no space left on the device of {directory}; free some"
    for rank, story in stories.items():
        if story:
            return f"rank {rank}: {story.splitlines()[-1]}"
    return "a rank was ended from outside, by a kill or for want of memory"


def _follow(
    child: subprocess.Popen[bytes],
    directory: Path,
    seen: int,
    on_line: Callable[[dict[str, Any]], None],
    stop: Path,
) -> int:
    """Report lines of the curve until the child ends; returns how many were seen."""
    asked_at: float | None = None
    while child.poll() is None:
        try:
            time.sleep(_POLL_S)
            lines = read_curve(directory / "curve.jsonl")
            # A run that resumes first drops the lines after its checkpoint.
            seen = min(seen, len(lines))
            for line in lines[seen:]:
                # Before the call: an interrupt in it must not tell the line again.
                seen += 1
                on_line(line)
            if asked_at is not None and time.monotonic() - asked_at > _PAUSE_LIMIT_S:
                break
        except KeyboardInterrupt:
            if asked_at is not None:
                raise Interrupted(
                    "stopped at once; the same command continues from the last checkpoint"
                ) from None
            asked_at = time.monotonic()
            stop.touch()
    return seen


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that every rank finished writing. `ranks` wrote it."""

    place: Path
    step: int
    ranks: int


def last_checkpoint(checkpoints: Path) -> Checkpoint | None:
    """The newest complete checkpoint; None without one."""
    complete = [place for place in checkpoints.glob("checkpoint-*") if (place / COMPLETE).exists()]
    if not complete:
        return None
    for newest in sorted(complete, key=lambda place: int(place.name.rpartition("-")[2]), reverse=True):
        try:
            wrote = read_state(dict[str, int], newest / COMPLETE)
            return Checkpoint(newest, int(newest.name.rpartition("-")[2]), wrote["ranks"])
        except (Damaged, LookupError):
            continue  # half of the mark: so may be the checkpoint
    return None


def _drop_unfinished(checkpoints: Path, resume: Checkpoint | None) -> None:
    """Delete what lies after the checkpoint that the job goes on from: of half of one nothing is ever read.

    Its shards would be taken for the next one's at the same step, which fewer ranks may write.
    """
    for place in checkpoints.glob("checkpoint-*"):
        if resume is None or int(place.name.rpartition("-")[2]) > resume.step:
            shutil.rmtree(place)


def made_universal(checkpoint: Checkpoint) -> None:
    """Convert a ZeRO checkpoint, in place, to one that any number of ranks continues; done once.

    DeepSpeed's shards are laid out for the ranks that wrote them; its own converter takes them apart by parameter.

    Raises:
        RunError: the conversion failed; the checkpoint is as it was.
    """
    [shards] = checkpoint.place.glob("global_step*[0-9]")
    target = shards.with_name(f"{shards.name}_universal")
    done = checkpoint.place / "latest_universal"
    if target.is_dir() and done.exists():
        return
    partial = shards.with_name(f"{shards.name}_partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal"]
    command += ["--input_folder", str(shards), "--output_folder", str(partial)]
    # Stages 1 and 2 leave out a note on tensor parallelism, which there is none of; stage 3 needs none.
    command += ["--num_extract_workers", "1", "--num_merge_workers", "1", "--inject_missing_state"]
    result = subprocess.run(
        command, capture_output=True, text=True, env=ranks_environment(1), stdin=subprocess.DEVNULL
    )
    if result.returncode != 0:
        raise RunError(
            f"{checkpoint.place}, written by {checkpoint.ranks} ranks, cannot be converted for another number: "
            f"{(result.stderr.strip().splitlines() or ['no message'])[-1]}; continue with --ranks {checkpoint.ranks}"
        )
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    done.write_text(target.name, encoding="utf-8")


def _line_count_at(curve: Path, resume: Checkpoint | None) -> int:
    step = resume.step if resume else 0
    return sum(line["step"] <= step for line in read_curve(curve))


def end_session(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole session if it is still there: politely, then at once."""
    for sent, wait_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        if child.poll() is not None:
            return
        os.killpg(child.pid, sent)
        try:
            child.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue


def ranks_command(directory: Path, nodes: Nodes, ranks: int, arguments: list[str]) -> list[str]:
    """What starts a node's ranks of a prepared job."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", *nodes.arguments(ranks)]
    return [*torchrun, "-m", "mixwright_runtime.training.job", str(directory), *arguments]


def ranks_environment(ranks: int, *, is_alone: bool = True) -> dict[str, str]:
    """The environment of this node's `ranks` ranks. is_alone: there is no other node."""
    environment = dict(os.environ)
    # Ranks share the cores; more threads than cores is several times slower on a busy machine.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // ranks)))
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    environment.setdefault("TRANSFORMERS_VERBOSITY", "error")
    environment.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    environment.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    if not has_gpu():
        environment.setdefault("DS_ACCELERATOR", "cpu")
        if sys.platform == "linux" and is_alone:
            # The host's name need not resolve in a container; one machine's ranks talk over loopback.
            environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    environment["PYTHONSAFEPATH"] = "1"
    environment[LAUNCHER_PID] = str(os.getpid())
    return environment
