"""Files that start a run on several machines: what they say, and two nodes of one run on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mixwright import cli
from mixwright.at_option import placed
from mixwright.compiling import Misuse, compiled
from tests.checkout import ROOT
from tests.commands.kuberay_schema import RAYJOB
from tests.free_ports import free_port

SPEC = """edition 2026

param wanted { type = count, default = 40 }
source numbers inline { rows = [{ n = "one" }, { n = "two" }] }
model teacher openai {
  base_url = ["http://localhost:8000/v1", "http://localhost:8001/v1"], model = "org/big", context = 4096, revision = "abc"
}
model judge_1 openai { base_url = "http://127.0.0.1:8002/v1", model = "small", api_key = env("JUDGE_KEY"), task = reward }
model hosted openai { base_url = "https://api.openai.com/v1", model = "gpt-5", api_key = env("HOSTED_KEY") }
template ask { user = "Say {{ n }}." }
pipeline told {
  from numbers { repeat = 20 }
  generate answer { prompt = ask, model = teacher }
  generate other { prompt = ask, model = hosted }
  verify reward { model = judge_1, request = n, response = answer, min = 0 }
  chat { user = n, assistant = answer }
}
mixture all_told { seed = 1, told = wanted }
"""
HERE = "to launch"
SBATCH = {"job-name", "nodes", "ntasks-per-node", "gpus-per-node", "exclusive", "output", "signal"}
"""Options of sbatch that a job has."""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "a spec's.mix"
    path.write_text(SPEC)
    return path


def written(spec: Path, *options: str) -> dict[str, str]:
    place = spec.parent / HERE
    options = options or ("--nodes", "4", "--gpus", "8", "--tp", "judge_1=2", "-p", "wanted=30")
    assert cli.main(["launch", str(spec), str(place), *options]) == 0
    return {path.name: path.read_text() for path in place.iterdir()}


def test_each_address_of_the_machine_is_a_server_of_every_node(spec: Path) -> None:
    node = written(spec, "--nodes", "4", "--tp", "judge_1=2", "--weights", "judge_1=/models/judge")["node.sh"]
    served = [line for line in node.splitlines() if " vllm serve " in line]
    common = "--max-model-len 4096 --generation-config vllm"
    assert served == [
        "serve teacher-8000 0,1,2 vllm serve org/big --host 0.0.0.0 --port 8000 --revision abc --tensor-parallel-size 3 "
        + common,
        "serve teacher-8001 3,4,5 vllm serve org/big --host 0.0.0.0 --port 8001 --revision abc --tensor-parallel-size 3 "
        + common,
        'VLLM_API_KEY="${JUDGE_KEY:?}" serve judge-1-8002 6,7 vllm serve /models/judge --host 0.0.0.0 --port 8002 '
        "--served-model-name small --tensor-parallel-size 2 --max-model-len 8192 --generation-config vllm "
        "--runner pooling",
    ]
    assert '--at teacher="$(at 8000 8001)" --at judge_1="$(at 8002)" "$@"' in node
    assert "openai.com" not in node


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpus", "8", "--tp", "teacher=5"], "8 GPUs of a node do not go round: 10 are taken by --tp"),
        (["--gpus", "7"], "7 GPUs of a node do not go round"),
        (["--tp", "hosted=1"], "--tp names 'hosted', which no node serves; served are: teacher, judge_1"),
        (["--tp", "teacher"], "--tp takes MODEL=VALUE, here 'teacher'"),
        (["--tp", "teacher=x"], "--tp takes a number of GPUs, here teacher=x"),
    ],
)
def test_what_does_not_go_round_is_said(
    spec: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert cli.main(["launch", str(spec), str(spec.parent / HERE), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (spec.parent / HERE).exists()


def test_slurm_gives_each_node_its_number_and_the_hosts(spec: Path) -> None:
    files = written(spec)
    text = files["job.slurm"]
    assert "#SBATCH --nodes=4\n" in text and "#SBATCH --gpus-per-node=8\n" in text
    assert "#SBATCH --signal=INT@300" in text and "--job-name=mixwright-a-spec-s\n" in text
    assert text.splitlines()[-1].startswith("exec srun ") and text.rstrip().endswith("'to launch/node.sh'")
    assert {
        option for line in text.splitlines() for option in re.findall("^#SBATCH --([a-z-]+)", line)
    } <= SBATCH


@pytest.mark.parametrize("workers", [[], ["--workers"]])
def test_scripts_are_what_bash_reads(spec: Path, workers: list[str]) -> None:
    written(spec, "--nodes", "4", *workers, "--tp", "judge_1=2")
    scripts = [str(spec.parent / HERE / name) for name in ("node.sh", "job.slurm", "rayjob.sh")]
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-S", "warning", *scripts], check=True)


def test_skypilot_asks_for_nodes_gpus_and_secrets(spec: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    task = yaml.safe_load(written(spec)["sky.yaml"])
    assert (task["num_nodes"], task["resources"]) == (4, {"accelerators": "H100:8"})
    assert task["secrets"] == {"HOSTED_KEY": None, "JUDGE_KEY": None}
    assert "bash 'to launch/node.sh'" in task["run"]


@pytest.mark.launch
@pytest.mark.parametrize("gpus", ["8", "0"])
def test_skypilot_s_own_parser_takes_it(spec: Path, gpus: str) -> None:
    sky = pytest.importorskip("sky", reason="SkyPilot is not installed")
    yaml = pytest.importorskip("yaml")
    task = sky.Task.from_yaml_config(
        yaml.safe_load(written(spec, "--nodes", "4", *gpus_of_nodes(gpus))["sky.yaml"]),
        secrets_overrides=[("HOSTED_KEY", "a"), ("JUDGE_KEY", "b")],
    )
    (resources,) = task.resources
    assert (task.num_nodes, resources.accelerators) == (4, {"H100": 8} if gpus == "8" else None)


def rayjob(spec: Path, *options: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return dict(yaml.safe_load(written(spec, *options)["rayjob.yaml"]))


def test_kuberay_s_workers_start_when_their_servers_answer(spec: Path) -> None:
    job = rayjob(spec)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (group["replicas"], group["rayStartParams"]) == (4, {"resources": '"{\\"serving\\": 1}"'})
    first, _, judge = group["template"]["spec"]["initContainers"]
    assert first["command"][:3] == ["vllm", "serve", "org/big"]
    assert (first["restartPolicy"], first["startupProbe"]["httpGet"]) == (
        "Always",
        {"path": "/health", "port": 8000},
    )
    assert [one["resources"]["limits"]["nvidia.com/gpu"] for one in (first, judge)] == ["3", "2"]
    (key,) = judge["env"]
    assert (key["name"], key["valueFrom"]["secretKeyRef"]["key"]) == ("VLLM_API_KEY", "JUDGE_KEY")
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    names = [one["name"] for one in head["template"]["spec"]["containers"][0]["env"]]
    assert names == ["HOSTED_KEY", "JUDGE_KEY"]


@pytest.mark.parametrize("workers", [[], ["--workers"]])
@pytest.mark.parametrize("gpus", ["8", "0"])
def test_every_field_of_a_rayjob_is_one_that_there_is(spec: Path, workers: list[str], gpus: str) -> None:
    job = rayjob(spec, "--nodes", "2", *gpus_of_nodes(gpus), *workers)
    checked = jsonschema_rs.validator_for(RAYJOB)
    assert [f"{list(error.instance_path)}: {error.message}" for error in checked.iter_errors(job)] == []
    # What Kubernetes would drop, and what it would refuse.
    job["spec"]["rayClusterSpec"]["workerGroupSpec"] = []
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    group["rayStartParams"]["num-cpus"] = 1
    assert len(list(checked.iter_errors(job))) == 2
    mounted = [
        mount["name"]
        for pod in pods_of(job)
        for one in pod["containers"]
        for mount in one.get("volumeMounts", ())
    ]
    for pod in pods_of(job):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
    assert mounted.count("project") == 1 + len(workers)


@pytest.mark.launch
@pytest.mark.parametrize("workers", [[], ["--workers"]])
@pytest.mark.parametrize("gpus", ["8", "0"])
def test_kubernetes_takes_the_pods(spec: Path, workers: list[str], gpus: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for pod in pods_of(rayjob(spec, "--nodes", "2", *gpus_of_nodes(gpus), *workers)):
        whole: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": pod}
        kubernetes.validate(whole, "1.29", strict=True)
        whole["spec"]["containers"][0]["resource"] = {}
        with pytest.raises(kubernetes.ValidationError, match="'resource' was unexpected"):
            kubernetes.validate(whole, "1.29", strict=True)


def gpus_of_nodes(gpus: str) -> list[str]:
    return ["--gpus", gpus, *(["--tp", "judge_1=2"] if gpus != "0" else [])]


def pods_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [one["template"]["spec"] for one in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_kuberay_s_schema_takes_it(spec: Path) -> None:
    """With the path of KubeRay's `ray.io_rayjobs.yaml` in KUBERAY_RAYJOB_CRD."""
    file = os.environ.get("KUBERAY_RAYJOB_CRD")
    if not file:
        pytest.skip("KUBERAY_RAYJOB_CRD does not say where KubeRay's schema is")
    yaml = pytest.importorskip("yaml")
    crd = yaml.safe_load(Path(file).read_text())
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == "v1"]
    closed = json.loads(json.dumps(schema), object_hook=_closed)
    jsonschema_rs.validate(closed, rayjob(spec))


def _closed(node: dict[str, Any]) -> dict[str, Any]:
    """Kubernetes drops what a schema does not name; a test must not."""
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        node["additionalProperties"] = bool(node.get("x-kubernetes-preserve-unknown-fields"))
    if node.pop("x-kubernetes-int-or-string", None):
        node.pop("anyOf", None)
        node["type"] = ["integer", "string"]
    return node


def test_kuberay_s_entrypoint_asks_ray_where_the_workers_are(spec: Path, tmp_path: Path) -> None:
    """With stand-ins for `python3`, which would ask Ray, and for `mixwright`, which tells its arguments."""
    assert rayjob(spec)["spec"]["entrypoint"] == "bash '/project/to launch/rayjob.sh'"
    programs = {
        "python3": "cat >/dev/null; echo 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4",
        "mixwright": 'for word in "$@"; do echo "<$word>"; done',
    }
    shown = subprocess.run(
        ["bash", str(spec.parent / HERE / "rayjob.sh")],
        env={**os.environ, "PATH": f"{stand_ins(tmp_path, programs)}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert shown[:5] == ["<run>", "<a spec's.mix>", "<-p>", "<wanted=30>", "<--at>"]
    assert shown[5].startswith(
        "<teacher=http://10.0.0.1:8000/v1,http://10.0.0.1:8001/v1,http://10.0.0.2:8000/v1,"
    )
    assert shown[7].endswith("http://10.0.0.4:8002/v1>")


def stand_ins(directory: Path, programs: dict[str, str]) -> Path:
    place = directory / "bin"
    place.mkdir()
    for name, text in programs.items():
        (place / name).write_text(f"#!/bin/bash\n{text}\n")
        (place / name).chmod(0o755)
    return place


def test_two_nodes_make_one_run_and_end_with_it(tmp_path: Path) -> None:
    """On two addresses of this machine, with the fake server for vLLM's and all else as it is."""
    (tmp_path / "pyproject.toml").touch()
    port, beacon = free_port(), free_port()
    spec = tmp_path / "spec.mix"
    spec.write_text(
        SPEC.replace(
            '["http://localhost:8000/v1", "http://localhost:8001/v1"]', f'"http://localhost:{port}/v1"'
        )
        .replace("  generate other { prompt = ask, model = hosted }\n", "")
        .replace("  verify reward { model = judge_1, request = n, response = answer, min = 0 }\n", "")
        .replace("model judge_1", "# model judge_1")
        .replace("model hosted", "# model hosted")
    )
    place = tmp_path / HERE
    assert cli.main(["launch", str(spec), str(place), "--nodes", "2", "--gpus", "0"]) == 0
    programs = {
        "vllm": f'exec {sys.executable} {ROOT}/benchmarks/fake_server.py --model "$2" --host "$FAKE_HOST" --port "$6"',
        "mixwright": f'exec {sys.executable} -m mixwright "$@"',
    }
    environment = {
        **os.environ,
        "PATH": f"{stand_ins(tmp_path, programs)}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "NODE_HOSTS": "127.0.0.1 127.0.0.2",
        "BEACON_PORT": str(beacon),
        "BEACON_EVERY_S": "1",
    }
    nodes = [
        subprocess.Popen(
            ["bash", str(place / "node.sh"), *(["--json"] if rank == 0 else [])],
            env={**environment, "NODE_RANK": str(rank), "FAKE_HOST": host},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, host in enumerate(("127.0.0.1", "127.0.0.2"))
    ]
    try:
        out, _ = nodes[0].communicate(timeout=120)
        assert nodes[0].returncode == 0
        summary = json.loads(out)
        assert (summary["rows"]["kept"], summary["requests"]) == (40, 40)
        assert nodes[1].wait(timeout=60) == 0
    finally:
        for node in nodes:
            node.kill()
    for host in ("127.0.0.1", "127.0.0.2"):
        with socket.socket() as gone:
            assert gone.connect_ex((host, port)) != 0


def test_with_workers_each_node_has_ray_and_the_run_asks_through_it(spec: Path) -> None:
    """With stand-ins for Ray, which tell what they were started with, and for `mixwright`."""
    spec.write_text(SPEC.replace("localhost", "node7").replace("127.0.0.1", "node7"))
    files = written(spec, "--nodes", "2", "--gpus", "0", "--workers")
    assert "--at" not in files["node.sh"] + files["rayjob.sh"]
    assert "mixwright run 'a spec'\"'\"'s.mix' -p wanted=40 \\\n  --cluster auto" in files["rayjob.sh"]
    told = spec.parent / "told"
    programs = stand_ins(
        spec.parent,
        {
            "ray": f'[ "$1" = status ] && [ -e {told} ] && exit 0; echo "$*" >>{told}; [ "$1" = start ] && sleep 60',
            "mixwright": 'echo "$@"',
        },
    )
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "BEACON_PORT": str(free_port())}
    environment |= {"NODE_HOSTS": "127.0.0.1 127.0.0.2", "RAY_PORT": "6400", "SERVERS_WAIT_S": "60"}
    node = ["bash", str(spec.parent / HERE / "node.sh")]
    shown = subprocess.run(node, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout == "run a spec's.mix -p wanted=40 --cluster 127.0.0.1:6400\n"
    head = "start --head --block --node-ip-address=127.0.0.1 --port=6400 --include-dashboard=false\n"
    assert head in told.read_text()
    told.unlink()
    other = subprocess.Popen(node, env={**environment, "NODE_RANK": "1"}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not told.exists() or not told.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert told.read_text() == "start --block --node-ip-address=127.0.0.2 --address=127.0.0.1:6400\n"
    finally:
        other.terminate()
        other.wait()


def test_a_spec_whose_models_are_all_elsewhere_waits_for_no_server(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(SPEC.replace("localhost", "node7").replace("127.0.0.1", "node7"))
    written(spec, "--gpus", "0")
    assert "nothing is served" in capsys.readouterr().err
    programs = stand_ins(spec.parent, {"mixwright": 'echo "$@"'})
    shown = subprocess.run(
        ["bash", str(spec.parent / HERE / "node.sh"), "--json"],
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "BEACON_PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert shown == "run a spec's.mix -p wanted=40 --json\n"


def test_at_moves_a_model_and_names_what_is_none(spec: Path) -> None:
    result = compiled(spec, ())
    assert result is not None
    moved = placed(result.plan, ["teacher=http://a:1/v1,http://b:1/v1"]).models["teacher"]
    assert moved.attributes["base_url"] == ["http://a:1/v1", "http://b:1/v1"]
    assert moved.identity == result.plan.models["teacher"].identity
    with pytest.raises(
        Misuse, match="--at names 'teachr', which is no model with an address; did you mean 'teacher'"
    ):
        placed(result.plan, ["teachr=http://a/v1"])
    with pytest.raises(Misuse, match="--at takes teacher=http://HOST:PORT/v1"):
        placed(result.plan, ["teacher=a:1"])
