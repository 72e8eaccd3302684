"""Scripts that start a training job on its machines: a shell script for each node, a Slurm job, a Ray job.

All three run the same command on every node, with the node's number and the first one's address. They name the spec
by its path from the project root and are started from there; what they need of the machine is in their first lines.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mixwright.params_option import params_written
from mixwright_compiler.plan.plan import Plan, Train

_SHELL = """#!/usr/bin/env bash
# Trains '{train}' of {spec}: start this on each of {nodes} machine(s), from the project root, with
#   NODE_RANK=0, 1, ...      this machine's number
#   MASTER_ADDR=HOST         address of machine 0 (MASTER_PORT={port}; the next port is used as well)
# The output directory must be on storage that all machines share.
set -euo pipefail
cd "$(dirname "$0")"/{root}
exec mixwright train {arguments} --nodes {nodes} --node-rank "${{NODE_RANK:-0}}" \\
  --master "${{MASTER_ADDR:-127.0.0.1}}:${{MASTER_PORT:-{port}}}"
"""

_SLURM = """#!/usr/bin/env bash
#SBATCH --job-name=mixwright-{train}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --exclusive
#SBATCH --output=%x-%j.log
#SBATCH --signal=INT@300
# Submit from the project root: sbatch {here}/job.slurm. Five minutes before its time is up the job saves a checkpoint;
# submitted again it continues.
set -euo pipefail
cd "${{SLURM_SUBMIT_DIR:-.}}"
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR
# The signal goes to the tasks themselves: `srun` passes no single interrupt on, and in the background it hears none.
exec srun --kill-on-bad-exit=1 bash -c 'NODE_RANK="$SLURM_NODEID" exec "$0"' {launcher}
"""

_RAY = '''"""Trains '{train}' of {spec} on a Ray cluster: run `python {here}/ray_job.py` on one of its nodes.

The project must be on storage that all nodes share, under the same path, with mixwright installed on each.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

NODES, GPUS = {nodes}, {gpus}
COMMAND = [sys.executable, "-m", "mixwright", "train", {quoted}]
ROOT = str((Path(__file__).resolve().parent / "{root}").resolve())


@ray.remote(max_restarts=0)
class Node:
    """One machine: tells its address, then runs its part of the job."""

    def address(self) -> str:
        return str(ray.util.get_node_ip_address())

    def run(self, root: str, rank: int, master: str) -> int:
        place = [] if NODES == 1 else ["--nodes", str(NODES), "--node-rank", str(rank), "--master", f"{{master}}:{port}"]
        return subprocess.run([*COMMAND, *place], cwd=root).returncode


def main() -> int:
    ray.init(address="auto", ignore_reinit_error=True)
    group = placement_group([{{"CPU": 1, "GPU": GPUS}} if GPUS else {{"CPU": 1}}] * NODES, strategy="{strategy}")
    ray.get(group.ready())
    nodes = [
        Node.options(
            num_cpus=1,
            num_gpus=GPUS,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=i),
        ).remote()
        for i in range(NODES)
    ]
    master = ray.get(nodes[0].address.remote())
    return max(ray.get([node.run.remote(ROOT, i, master) for i, node in enumerate(nodes)]))


if __name__ == "__main__":
    sys.exit(main())
'''
_PORT = 29500


def write_launchers(plan: Plan, train: Train, spec: Path, directory: Path) -> list[Path]:
    """Write `launch.sh`, `job.slurm` and `ray_job.py` for a `train` block; returns their paths."""
    cluster = train.attributes.get("cluster") or {}
    root = Path(plan.root)
    given = os.path.relpath(spec.resolve(), root)
    arguments = [given, "--train", train.name, *params_written(plan, given)]
    values = {
        "train": train.name,
        "spec": given,
        "nodes": int(cluster.get("nodes") or 1),
        "gpus": int(cluster.get("gpus") or 0),
        "port": _PORT,
        "root": shlex.quote(os.path.relpath(root, directory.resolve())),
        "here": os.path.relpath(directory.resolve(), root),
        "arguments": shlex.join(arguments),
        "launcher": shlex.quote(os.path.join(os.path.relpath(directory.resolve(), root), "launch.sh")),
        "quoted": ", ".join(repr(word) for word in arguments),
        "strategy": "STRICT_SPREAD" if int(cluster.get("gpus") or 0) else "PACK",
    }
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in (("launch.sh", _SHELL), ("job.slurm", _SLURM), ("ray_job.py", _RAY)):
        path = directory / name
        path.write_text(text.format(**values), encoding="utf-8")
        if name == "launch.sh":
            path.chmod(0o755)
        written.append(path)
    return written
