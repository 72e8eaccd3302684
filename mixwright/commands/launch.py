"""Write the files that start a run on several machines, with vLLM servers for its models: Slurm, SkyPilot, KubeRay.

Each `openai` model whose addresses are all the machine's own (`base_url = "http://localhost:8000/v1"`) gets a server on
every node for each address, and the run on the first node asks all of them; with `--workers` a worker of the run on each
node asks those beside it. Nothing is started: the files say in their first lines how.

Exit status: 0 written; 1 errors in the spec; 2 misuse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TypedDict

from mixwright.number_options import count, positive
from mixwright.params_option import add_params_option


class LaunchReport(TypedDict):
    """The files that were written. served: the models that get servers, one entry a server of a node."""

    written: list[str]
    served: list[str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file, or a plan.json")
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the files are written")
    add_params_option(parser)
    parser.add_argument("--nodes", type=positive, default=1, metavar="N", help="machines with servers (1)")
    parser.add_argument("--gpus", type=count, default=8, metavar="N", help="GPUs of each (8)")
    parser.add_argument("--gpu", default="H100", metavar="NAME", help="their name, for SkyPilot (H100)")
    parser.add_argument(
        "--tp",
        action="append",
        default=[],
        metavar="MODEL=N",
        help="GPUs of each server of a model; without it servers share a node's evenly",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="MODEL=PLACE",
        help="what the server of a model loads, where that is not its `model`",
    )
    parser.add_argument(
        "--workers",
        action="store_true",
        help="start Ray too: a worker on each node sends the requests to its servers",
    )
    parser.add_argument("--image", default="mixwright:latest", help="of the run's pods, for KubeRay")
    parser.add_argument(
        "--server-image", default="vllm/vllm-openai:latest", help="of its servers, for KubeRay"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write the files: 0 when they are written, 1 when the spec has errors."""
    from mixwright.compiling import plan_of_file
    from mixwright.run_launchers import Machines, servers_of, write_launchers

    parallel = {name: _whole(number, name) for name, number in _pairs("--tp", arguments.tp)}
    plan = plan_of_file(arguments.spec, arguments.params)
    if plan is None:
        return 1
    machines = Machines(
        arguments.nodes,
        arguments.gpus,
        arguments.gpu,
        arguments.image,
        arguments.server_image,
        arguments.workers,
    )
    weights = dict(_pairs("--weights", arguments.weights))
    servers = servers_of(plan, machines, parallel=parallel, weights=weights)
    written = write_launchers(plan, servers, machines, arguments.spec, arguments.directory)
    if arguments.json:
        from mixwright.json_output import document_text

        report: LaunchReport = {
            "written": [str(path) for path in written],
            "served": [one.model for one in servers],
        }
        sys.stdout.write(document_text("launch", report))
    else:
        for path in written:
            print(f"wrote {path}")
    if not servers:
        print("no model is at an address of the machine itself, so nothing is served", file=sys.stderr)
    for name, model in plan.models.items():
        if model.attributes.get("task") == "process_reward" and any(one.model == name for one in servers):
            print(
                f"note: the server of '{name}' needs --pooler-config with the step tag's id", file=sys.stderr
            )
    return 0


def _pairs(option: str, stated: list[str]) -> list[tuple[str, str]]:
    from mixwright.compiling import Misuse

    found = []
    for text in stated:
        name, _, value = text.partition("=")
        if not name or not value:
            raise Misuse(f"{option} takes MODEL=VALUE, here {text!r}")
        found.append((name, value))
    return found


def _whole(text: str, name: str) -> int:
    from mixwright.compiling import Misuse

    if not text.isdecimal() or int(text) < 1:
        raise Misuse(f"--tp takes a number of GPUs, here {name}={text}")
    return int(text)
