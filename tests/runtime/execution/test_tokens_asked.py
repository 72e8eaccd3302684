"""Texts of a spec that must be one token of its model: told before any request, by the model's own tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from picky_server import PickyServer, Reply, completion

import mixwright
from mixwright_runtime.calls.models import asked_of
from mixwright_runtime.cluster.protocol import Setup, read_frame, setup_frame, setup_in
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

pytestmark = pytest.mark.train

TEXTS = 'edition 2026\nsource texts inline { rows = [{ text = "Ada has 7 nuts" }] }\n'
HERE = 'model base transformers { path = "model", context = 256 }\n'
CALLS = """
tool calculator arithmetic { digits = 2 }
template sums { user = "Make 3: [calculator(2 + 1)] 3.\\n{{ text }}\\n" }
pipeline tooled {
  from texts
  call_tools annotated { from = text, model = base, MORE
    use calculator { prompt = sums }
  }
}
"""
LABELS = """
template rate { user = "Is it good? {{ text }}" }
pipeline rated {
  from texts
  verify score { labels = ["1", "中"], values = [0, 1], prompt = rate, model = base, min = 0 }
}
"""
STEPS = """
pipeline rated {
  from texts
  verify reward { model = base, request = text, response = text, aggregate = min, step_tag = "++", min = 0 }
}
"""


def run(directory: Path, spec: str) -> None:
    path = directory / "spec.mix"
    path.write_text(TEXTS + spec, encoding="utf-8")
    with Store.open(directory / "store") as store:
        try:
            run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False))
        finally:
            assert store.sql("SELECT count(*) FROM call") == [(0,)]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            HERE + CALLS.replace("MORE", 'open = "中"'),
            r'model \'base\': `open` \(.*spec.mix:9\) is "中", which is 3 tok',
        ),
        (
            HERE + LABELS,
            r'`labels` \(.*spec.mix:8\) is "中", which is 3 tokens of this model and must be one;',
        ),
    ],
)
def test_a_model_here_tells_it_at_start(project: Path, spec: str, told: str) -> None:
    with pytest.raises(EngineUnavailable, match=told):
        run(project, spec)


@pytest.mark.parametrize(("task", "texts"), [("process_reward", ["++"]), ("reward", [])])
def test_the_tag_behind_a_step_is_of_models_that_rate_steps(
    tmp_path: Path, task: str, texts: list[str]
) -> None:
    spec = HERE.replace('path = "model"', f'repo = "a/b", task = {task}') + STEPS
    (tmp_path / "spec.mix").write_text(
        TEXTS + (spec if texts else spec.replace(', aggregate = min, step_tag = "++"', ""))
    )
    plan = mixwright.plan(tmp_path / "spec.mix")
    assert list(asked_of(plan, plan.pipelines["rated"].steps)["base"].tokens) == texts


def test_a_tokenizer_beside_a_served_model_tells_it_before_the_server_is_asked(project: Path) -> None:
    with PickyServer(lambda seen: Reply(completion("1"))) as server:
        served = f'base_url = "{server.url}", model = "tiny", serves = vllm, tokenizer = "model"'
        with pytest.raises(EngineUnavailable, match=r"`labels` .* is 3 tokens"):
            run(project, f"model base openai {{ {served} }}\n{LABELS}")
        assert not server.seen


def test_the_nearest_text_that_is_one_token_is_told(model_directory: Path) -> None:
    from transformers import AutoTokenizer

    from mixwright_runtime.engines.label_tokens import check_tokens

    tokenizer = AutoTokenizer.from_pretrained(model_directory)
    check_tokens(tokenizer, {"[": "`open`", " has": "`labels`"}, "base")
    with pytest.raises(EngineUnavailable, match=r'`open` is "  \[", which is 3 tokens .* one; "\[" is one$'):
        check_tokens(tokenizer, {"[": "`open`", "  [": "`open`"}, "base")


def test_a_mark_that_the_vocabulary_has_with_no_space_in_front_is_told_by_check(project: Path) -> None:
    with pytest.raises(
        mixwright.SpecError, match=r"MIX464.*` \[` is several tokens of `base`, and `open` must"
    ):
        run(project, HERE + CALLS.replace("MORE", ""))


def test_workers_of_a_cluster_are_told_what_must_be_one_token(project: Path) -> None:
    (project / "spec.mix").write_text(TEXTS + HERE + CALLS.replace("MORE", 'open = "["'))
    plan = mixwright.plan(project / "spec.mix")
    asked = asked_of(plan, plan.pipelines["tooled"].steps)
    [(text, asked_by)] = asked["base"].tokens.items()
    assert asked["base"].capabilities == {"token_at", "losses", "text"}
    assert text == "[" and asked_by.startswith("`open` (") and asked_by.endswith("spec.mix:9)")
    setup = Setup("{}", asked, "code")
    assert setup_in(*read_frame(setup_frame(setup))) == setup
