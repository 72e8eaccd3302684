"""What the last pass refuses: plans that another pass has broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pass_files import planned

from mixwright_compiler.catalog.groups import Gathering
from mixwright_compiler.logical.nodes import Flow, LogicalPlan
from mixwright_compiler.logical.passes import optimised
from mixwright_compiler.logical.passes.sanity import Unsound, check_sanity

SPEC = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }
source people inline { rows = [{ name = "Ada", age = 36 }] }
template about { user = "Introduce {{ name }}." }
pipeline p {
  from people
  generate intro { prompt = about, model = teacher, samples = 4 }
  verify repetition { response = intro, pick = first, on_fail = retry(1) }
  dedup exact { on = name }
  filter { where = len(intro) > 10 }
}
"""


def order(*places: int) -> Callable[[Flow], Flow]:
    return lambda flow: flow.with_steps([flow.steps[place] for place in places])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (order(1, 0, 2, 3), "verify_repetition reads intro, which is not there yet"),
        (order(0, 1, 3, 2), "a step is lost, or has crossed a breaker"),
        (order(0, 1, 2), "a step is lost, or has crossed a breaker"),
        (order(0, 1, 2, 3, 3), "a step is lost, or has crossed a breaker"),
        (lambda flow: replace(flow, gatherings=None), "its groups are not placed"),
        (
            lambda flow: replace(
                flow, gatherings=(Gathering(("verify_repetition",), 4, ("generate_intro",)),)
            ),
            "the group of verify_repetition is looked at before it is there",
        ),
        (
            lambda flow: replace(flow, gatherings=(Gathering(("generate_intro",), 4, ("filter",)),)),
            "the group of generate_intro is looked at behind a breaker",
        ),
        (
            lambda flow: replace(flow, asks_again={"filter": "generate_intro"}),
            "filter would have generate_intro answer again",
        ),
    ],
)
def test_a_broken_plan_goes_no_further(broken: Callable[[Flow], Flow], said: str, tmp_path: Path) -> None:
    plan = optimised(planned(SPEC, tmp_path))
    with pytest.raises(Unsound, match=f"pipeline p: {said}"):
        check_sanity(plan.with_flows({"p": broken(plan.flows["p"])}))
    assert isinstance(check_sanity(plan), LogicalPlan)
