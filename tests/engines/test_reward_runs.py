"""Whole runs of specs with real reward models, in process and behind HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store
from tests.reward_models import LIMIT, TAG

pytestmark = pytest.mark.train

SUMS = [(a, b, c) for a in range(LIMIT) for b in range(LIMIT) for c in (a + b, (a + b + 3) % 7)]
LOCAL = 'model rater transformers {{ path = "{path}", task = {task}, context = 256 }}'
SERVED = 'model rater openai {{ base_url = "{url}", model = "rm", task = {task} }}'
OUTCOME = "verify reward { model = rater, request = problem, response = solution, min = 0.0 }"
PROCESS = (
    "verify reward { model = rater, request = problem, response = solution, aggregate = product, min = 0.5, "
    'separator = ";" }'
)


def run(directory: Path, model: str, verify: str, solution: str) -> tuple[RunReport, dict[str, Any]]:
    """The report, and the outcome and score of each sum, by its text."""
    rows = ", ".join(
        f'{{ problem = "{a}+{b}", solution = "{solution.format(a=a, b=b, c=c)}" }}' for a, b, c in SUMS
    )
    spec = directory / "spec.mix"
    spec.write_text(
        f"edition 2026\n{model}\nsource sums inline {{ rows = [{rows}] }}\npipeline rated {{\n from sums\n {verify}\n}}\n"
    )
    store = Store.open(directory / "store")
    try:
        report = run_plan(mixwright.plan(spec), store=store, options=RunOptions(exports=False))
        found = {}
        for status, columns, scores in store.sql(
            "SELECT status, columns, scores FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)"
        ):
            row = json.loads(columns)
            [measurement] = json.loads(scores).values()
            found[f"{row['problem']}|{row['solution']}"] = (status, measurement["score"])
        return report, found
    finally:
        store.close()


@pytest.mark.parametrize(
    ("name", "task", "verify", "solution"),
    [
        ("outcome", "reward", OUTCOME, "{c}"),
        ("process", "process_reward", PROCESS, "{a}+{b}={c};1+1=2"),
    ],
    ids=["outcome", "process"],
)
def test_right_sums_pass_alike_in_process_and_served_and_nothing_is_asked_twice(
    reward_models: dict[str, Path], tmp_path: Path, name: str, task: str, verify: str, solution: str
) -> None:
    from tests.pooling_server import PoolingServer

    path = reward_models[name]
    local = LOCAL.format(path="rater", task=task)
    shutil.copytree(path, tmp_path / "local" / "rater")
    _, own = run(tmp_path / "local", local, verify, solution)
    right = {f"{a}+{b}|{solution.format(a=a, b=b, c=a + b)}" for a, b, _ in SUMS}
    assert {text for text, (status, _) in own.items() if status == "kept"} == right

    (tmp_path / "served").mkdir()
    with PoolingServer(path, step_tag=TAG if task == "process_reward" else "") as server:
        served_model = SERVED.format(url=server.url, task=task)
        _, served = run(tmp_path / "served", served_model, verify, solution)
        sent = len(server.requests)
        # A stricter threshold on the same store, and then no server at all.
        stricter = verify.replace("min = 0.0", "min = 5.0").replace("min = 0.5", "min = 0.9")
        run(tmp_path / "served", served_model, stricter, solution)
        assert len(server.requests) == sent
    assert {text: status for text, (status, _) in served.items()} == {
        text: status for text, (status, _) in own.items()
    }
    for text, (_, score) in served.items():
        assert score == pytest.approx(own[text][1], abs=1e-5, rel=1e-5)
    _, again = run(tmp_path / "served", served_model, verify, solution)
    assert again == served
