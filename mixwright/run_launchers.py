"""Files that start a run on several machines, with vLLM servers for its models: for Slurm, SkyPilot and KubeRay.

A model is served on the nodes where all of its addresses are the machine's own (`http://localhost:8000/v1`): each address
is a server of every node, and the run is told where they are by `--at`. Models elsewhere are left alone.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mixwright.compiling import Misuse
from mixwright.params_option import params_written
from mixwright.run_launcher_texts import (
    AT,
    NODE,
    RAY_RUN,
    RAY_SAYS,
    RAY_STARTS,
    RAY_WAITS,
    RAYJOB,
    SIDECAR,
    SKYPILOT,
    SLURM,
    WORKER_MOUNTS,
    WORKER_VOLUMES,
    filled,
)
from mixwright_compiler.catalog.servers import addresses_of, is_loopback
from mixwright_compiler.plan.plan import ModelSpec, Plan
from mixwright_runtime.calls.models import variables_in

BEACON = 8999
"""Port of node 0 by which the others see that the run goes on."""
PATIENCE_S = 3600
"""Chosen: a server that downloads a large model takes the better part of an hour."""


@dataclass(frozen=True)
class Machines:
    """What a run is to have: nodes, GPUs of each and their name, images for Kubernetes. has_workers: a worker on each
    node sends the requests, over Ray."""

    nodes: int
    gpus: int
    gpu: str = "H100"
    image: str = "mixwright:latest"
    server_image: str = "vllm/vllm-openai:latest"
    has_workers: bool = False


@dataclass(frozen=True)
class Server:
    """One vLLM server of each node. command: what starts it. key: the variable with its key, if it wants one."""

    model: str
    port: int
    gpus: tuple[int, ...]
    command: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        """As a container may be called."""
        return f"{_label(self.model)}-{self.port}"


def servers_of(
    plan: Plan, machines: Machines, *, parallel: Mapping[str, int], weights: Mapping[str, str]
) -> list[Server]:
    """The servers that each node runs.

    Args:
        parallel: model -> GPUs of each of its servers; the others share evenly what is left.
        weights: model -> what its server loads, where that is not what its `model` says.

    Raises:
        Misuse: GPUs do not go round, two servers have a port, or an option names a model that is not served here.
    """
    local = {name: ports for name, model in plan.models.items() if (ports := _ports(model))}
    for option, named in (("--tp", parallel), ("--weights", weights)):
        for name in named:
            if name not in local:
                known = ", ".join(local) or "none"
                raise Misuse(f"{option} names '{name}', which no node serves; served are: {known}")
    every = [port for ports in local.values() for port in ports]
    if len(set(every)) < len(every) or BEACON in every:
        raise Misuse(
            f"each server needs a port of its own, and none may be {BEACON}; the spec has {sorted(every)}"
        )
    stated = sum(parallel.get(name, 0) * len(ports) for name, ports in local.items())
    sharing = sum(len(ports) for name, ports in local.items() if name not in parallel)
    left = machines.gpus - stated
    if left < 0 or (sharing and machines.gpus and (left < sharing or left % sharing)):
        raise Misuse(
            f"{machines.gpus} GPUs of a node do not go round: {stated} are taken by --tp, {sharing} server(s) share the "
            "rest; give other --gpus, or --tp MODEL=N"
        )
    share = left // sharing if sharing else 0
    found, free = [], 0
    for name, ports in local.items():
        size = parallel.get(name, share)
        for port in ports:
            gpus = tuple(range(free, free + size))
            free += size
            found.append(_server(plan.models[name], port, gpus, weights.get(name)))
    return found


def _ports(model: ModelSpec) -> list[int]:
    addresses = addresses_of(model.attributes.get("base_url"))
    if not all(map(is_loopback, addresses)):
        return []
    return [urlsplit(address).port or 80 for address in addresses]


def _server(model: ModelSpec, port: int, gpus: tuple[int, ...], weights: str | None) -> Server:
    given = model.attributes
    called = str(given["model"])
    command = ["vllm", "serve", weights or called, "--host", "0.0.0.0", "--port", str(port)]
    if weights:
        command += ["--served-model-name", called]
    if given.get("revision") and not weights:
        command += ["--revision", str(given["revision"])]
    if gpus:
        command += ["--tensor-parallel-size", str(len(gpus))]
    command += ["--max-model-len", str(given.get("context") or 8192), "--generation-config", "vllm"]
    if given.get("task", "generate") != "generate":
        command += ["--runner", "pooling"]
    key = given.get("api_key")
    return Server(model.name, port, gpus, tuple(command), str(key["env"]) if isinstance(key, Mapping) else "")


def write_launchers(
    plan: Plan, servers: Sequence[Server], machines: Machines, spec: Path, directory: Path
) -> list[Path]:
    """Write `node.sh`, `job.slurm`, `sky.yaml`, `rayjob.yaml` and `rayjob.sh`; returns their paths."""
    root = Path(plan.root)
    given = os.path.relpath(spec.resolve(), root)
    here = os.path.relpath(directory.resolve(), root)
    arguments = [given, *params_written(plan, given)]
    name = Path(given).stem
    variables = sorted({name for model in plan.models.values() for _, name in variables_in(model.attributes)})
    values: dict[str, object] = {
        "nodes": machines.nodes,
        "gpus": machines.gpus,
        "spec": given.replace("\n", " "),
        "name": _label(name),
        "label": _label(name)[:40],
        "root": shlex.quote(os.path.relpath(root, directory.resolve())),
        "here": shlex.quote(here),
        "node": shlex.quote(os.path.join(here, "node.sh")),
        "patience": PATIENCE_S,
        "beacon": BEACON,
        "ports": " ".join(str(server.port) for server in servers),
        "serve": "\n".join(map(_serve_line, servers))
        or "# No model of the spec is at an address of this machine.",
        "arguments": shlex.join(arguments),
        # SkyPilot refuses accelerators that are none.
        "resources": f"resources:\n  accelerators: {json.dumps(f'{machines.gpu}:{machines.gpus}')}\n"
        if machines.gpus
        else "",
        "secrets": "secrets:\n" + "".join(f"  {name}: null\n" for name in variables) if variables else "",
        "claim": "mixwright-project",
        "mount": "/project",
        "image": machines.image,
        "needs_secret": f"#   a secret mixwright with {', '.join(variables)}\n" if variables else "",
        "env": _environment({name: name for name in variables}, 14),
        "entrypoint": json.dumps(shlex.join(["bash", os.path.join("/project", here, "rayjob.sh")])),
        "wanted": machines.nodes if servers else 0,
        "ray_says": "",
        "ray_starts": "",
        "worker_env": "",
        "worker_mounts": "",
        "worker_volumes": "",
        "sidecars": "            initContainers:\n" + "".join(_sidecar(one, machines) for one in servers)
        if servers
        else "",
    }
    reached = dict.fromkeys(("node.sh", "rayjob.sh"), _by_address(servers))
    if machines.has_workers:
        shared = {"mount": values["mount"], "claim": values["claim"]}
        values |= {
            "ray_says": RAY_SAYS,
            "ray_starts": RAY_STARTS,
            "worker_env": _environment({name: name for name in variables}, 16),
            "worker_mounts": filled(WORKER_MOUNTS, shared),
            "worker_volumes": filled(WORKER_VOLUMES, shared),
        }
        reached = {
            "node.sh": {"at": '--cluster "$ray" ', "before_run": RAY_WAITS},
            "rayjob.sh": {"at": "--cluster auto ", "before_run": ""},
        }
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    texts = {
        "node.sh": NODE,
        "job.slurm": SLURM,
        "sky.yaml": SKYPILOT,
        "rayjob.yaml": RAYJOB,
        "rayjob.sh": RAY_RUN,
    }
    for file, text in texts.items():
        path = directory / file
        path.write_text(filled(text, {**values, **reached.get(file, {})}), encoding="utf-8")
        written.append(path)
    written[0].chmod(0o755)
    return written


def _serve_line(server: Server) -> str:
    gpus = ",".join(map(str, server.gpus))
    key = f'VLLM_API_KEY="${{{server.key}:?}}" ' if server.key else ""
    return f"{key}serve {server.name} {gpus or repr('')} {shlex.join(server.command)}"


def _by_address(servers: Sequence[Server]) -> dict[str, str]:
    """The run's own process asks the servers of all nodes."""
    at = (f'--at {model}="$(at {" ".join(map(str, ports))})" ' for model, ports in _by_model(servers).items())
    return {"at": "".join(at), "before_run": AT if servers else ""}


def _by_model(servers: Sequence[Server]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for server in servers:
        found.setdefault(server.model, []).append(server.port)
    return found


def _sidecar(server: Server, machines: Machines) -> str:
    limits = (
        f'                resources:\n                  limits: {{ nvidia.com/gpu: "{len(server.gpus)}" }}\n'
    )
    return filled(
        SIDECAR,
        {
            "name": server.name,
            "server_image": machines.server_image,
            "command": json.dumps(server.command),
            "env": _environment({"VLLM_API_KEY": server.key} if server.key else {}, 16),
            "port": server.port,
            "resources": limits if server.gpus else "",
        },
    )


def _environment(variables: Mapping[str, str], indent: int) -> str:
    """An `env` of a container: variable -> its name in the secret `mixwright`."""
    if not variables:
        return ""
    space = " " * indent
    return f"{space}env:\n" + "".join(
        f"{space}  - {{ name: {name}, valueFrom: {{ secretKeyRef: {{ name: mixwright, key: {key} }} }} }}\n"
        for name, key in variables.items()
    )


def _label(name: str) -> str:
    """A name as Kubernetes, Slurm and SkyPilot all take it."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-") or "run"
