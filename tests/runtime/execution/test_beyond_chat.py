"""What a model is asked beyond a chat, in whole runs: against servers whose rules a test writes, and on a small model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picky_server import PickyServer, Reply, Seen, complaint, completion

import mixwright
from mixwright_runtime.calls.fault import RetryPolicy
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

EMPTY = "source empty nothing {}\n"
Rows = list[tuple[str, str, dict[str, Any]]]


def run(directory: Path, spec: str) -> tuple[RunReport, Rows]:
    """A run's report, and status, reason and columns of its rows."""
    path = directory / "spec.mix"
    path.write_text(f"edition 2026\n{spec}", encoding="utf-8")
    options = RunOptions(exports=False, retry=RetryPolicy(base_s=0.002))
    with Store.open(directory / "store") as store:
        report = run_plan(mixwright.plan(path), store=store, options=options)
        rows = store.sql(
            "SELECT status, reason, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
            "ORDER BY position"
        )
    return report, [(status, reason, json.loads(columns)) for status, reason, columns in rows]


def on(**paths: Callable[[Seen], Reply]) -> Callable[[Seen], Reply]:
    """A server with these paths, by their last parts, and no other."""

    def rules(seen: Seen) -> Reply:
        found = paths.get(seen.path.rsplit("/", 1)[-1])
        return complaint("Not Found", 404) if found is None else found(seen)

    return rules


def written(text: str, **fields: Any) -> Reply:
    """How a prompt went on, in the protocol's form."""
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return Reply(json.dumps({"model": "fake", "choices": [{**choice, **fields}], "usage": usage}).encode())


# --- a plain text


def texts_of(server: PickyServer, **attributes: str) -> str:
    more = "".join(f"  {name} = {value}\n" for name, value in attributes.items())
    return f"""
model base openai {{
  base_url = "{server.url}"
  model = "fake"
{more}}}
source people inline {{ rows = [{{ name = "Ada" }}] }}
template passage {{ user = "[[[Title]]] {{{{ name }}}}\\n[[[User]]] " }}
pipeline asked {{
  from people
  generate question {{ form = text, prompt = passage, model = base, stop = ["[[[Assistant]]]"] }}
}}
"""


def test_a_plain_text_goes_to_a_server_as_it_is(tmp_path: Path) -> None:
    with PickyServer(on(completions=lambda seen: written("Who was she?"))) as server:
        report, rows = run(tmp_path, texts_of(server, serves="vllm"))
        assert (report.status, rows[0][2]["question"]) == ("done", "Who was she?")
        probe, asked = server.seen
    assert probe.body["max_tokens"] == 1
    assert asked.path == "/v1/completions" and "messages" not in asked.body
    assert asked.body["prompt"] == "[[[Title]]] Ada\n[[[User]]]"
    assert asked.body["stop"] == ["[[[Assistant]]]"]


def test_a_server_without_completions_is_found_out_before_the_first_row(tmp_path: Path) -> None:
    with PickyServer(lambda seen: complaint("Not Found", 404)) as server:
        with pytest.raises(
            EngineUnavailable, match="does not go on from a plain text, which `serves` says of it"
        ):
            run(tmp_path, texts_of(server, serves="vllm"))
        assert len(server.seen) == 1


def test_an_answer_of_another_form_is_no_completion(tmp_path: Path) -> None:
    with (
        PickyServer(lambda seen: Reply(completion("four"))) as server,
        pytest.raises(EngineUnavailable, match="not a completion"),
    ):
        run(tmp_path, texts_of(server, serves="vllm"))


@pytest.mark.train
def test_a_base_model_without_a_chat_template_goes_on_from_a_text(project: Path) -> None:
    (project / "model" / "chat_template.jinja").unlink()
    spec = """
model base transformers { path = "model", context = 256 }
source people inline { rows = [{ name = "Ada" }, { name = "Bo" }] }
template begun { user = "{{ name }} has 7" }
pipeline written {
  from people
  generate more { form = text, prompt = begun, model = base, max_tokens = 5, on_cut = use }
}
"""
    report, rows = run(project, spec)
    assert report.status == "done" and [status for status, _, _ in rows] == ["kept"] * 2
    chat = spec.replace("form = text, ", "")
    with pytest.raises(EngineUnavailable, match="no chat template"):
        run(project, chat)


# --- a user's turn

USER_TURN = """
pipeline asked {
  from empty { repeat = 3 }
  generate question { turn = user, model = teacher, max_tokens = 12, stop = ["\\n"]MORE }
}
"""


def served(server: PickyServer) -> str:
    return f"""
model teacher openai {{
  base_url = "{server.url}"
  model = "fake"
  serves = vllm
  tokenizer = "model"
}}
"""


@pytest.mark.train
def test_a_server_gets_the_beginning_of_a_users_turn_in_tokens(project: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(project / "model")
    with PickyServer(on(completions=lambda seen: written(f"How are you, {len(server.seen)}?"))) as server:
        report, rows = run(project, served(server) + EMPTY + USER_TURN.replace("MORE", ""))
        assert report.status == "done"
        assert sorted(columns["question"] for _, _, columns in rows) == [
            f"How are you, {n}?" for n in (2, 3, 4)
        ]
        asked = server.seen[1:]
    assert {seen.path for seen in asked} == {"/v1/completions"}
    assert {tokenizer.decode(seen.body["prompt"]) for seen in asked} == {"<|user|>"}
    assert len({seen.body["seed"] for seen in asked}) == 3, "the same prompt, another seed"
    for seen in asked:
        ends = tokenizer.convert_ids_to_tokens(seen.body["stop_token_ids"])
        assert ends == ["<|assistant|>"] and seen.body["stop"] == ["\n"]


@pytest.mark.train
def test_a_conversation_and_a_system_message_stand_before_the_turn(project: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(project / "model")
    talks = """source talks inline {
  rows = [{ talk = [{ role = "user", content = "Hi." }, { role = "assistant", content = "Hello." }], about = "sums" }]
}
"""
    spec = talks + USER_TURN.replace("from empty", "from talks").replace(
        "MORE", ", history = talk, system = about, temperature = 0.5"
    )
    with PickyServer(on(completions=lambda seen: written("And then?"))) as server:
        run(project, served(server) + spec)
        prompts = {tokenizer.decode(seen.body["prompt"]) for seen in server.seen[1:]}
    assert prompts == {"<|system|>sums<|user|>Hi.<|assistant|>Hello.<|end|><|user|>"}


@pytest.mark.train
def test_a_prefix_is_the_prompt_as_it_is(project: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(project / "model")
    with PickyServer(on(completions=lambda seen: written("How?"))) as server:
        run(project, served(server) + EMPTY + USER_TURN.replace("MORE", ', prefix = "<|system|>x<|user|>"'))
        asked = server.seen[-1].body
    assert tokenizer.decode(asked["prompt"]) == "<|system|>x<|user|>"
    assert {"<|user|>", "<|assistant|>"} <= set(tokenizer.convert_ids_to_tokens(asked["stop_token_ids"]))


@pytest.mark.train
def test_a_tokenizer_that_is_broken_is_told_before_the_first_row(project: Path) -> None:
    """The library that reads it raises whatever comes."""
    (project / "model" / "tokenizer.json").write_text("null", encoding="utf-8")
    with PickyServer(on(completions=lambda seen: written("How?"))) as server:
        with pytest.raises(
            EngineUnavailable, match=r"`tokenizer` of model 'teacher' cannot be loaded from .*model: "
        ):
            run(project, served(server) + EMPTY + USER_TURN.replace("MORE", ""))
        assert not server.seen[1:]


@pytest.mark.train
def test_a_turn_after_the_users_own_is_no_row(project: Path) -> None:
    talks = 'source talks inline { rows = [{ talk = [{ role = "user", content = "Hi." }] }] }\n'
    model = 'model teacher transformers { path = "model", context = 256 }\n'
    spec = talks + USER_TURN.replace("from empty", "from talks").replace("MORE", ", history = talk")
    _, rows = run(project, model + spec)
    assert [(status, reason) for status, reason, _ in rows] == [("quarantined", "row error")] * 3


@pytest.mark.train
def test_a_repair_of_a_users_turn_is_an_answer(project: Path) -> None:
    answers = on(
        completions=lambda seen: written("how") if "prompt" in seen.body else Reply(completion("How?"))
    )
    spec = """
template mend { user = "Write it as a question: {{ question }}" }
pipeline asked {
  from empty { repeat = 1 }
  generate question { turn = user, model = teacher, stop = ["\\n"] }
  verify where { expr = ends_with(question, "?"), response = question, on_fail = repair(mend) }
}
"""
    with PickyServer(answers) as server:
        _, rows = run(project, served(server) + EMPTY + spec)
        assert server.seen[-1].path == "/v1/chat/completions"
    assert [(status, columns["question"]) for status, _, columns in rows] == [("kept", "How?")]


# --- labels

RATED = """
source texts inline { rows = [{ text = "One." }] }
template rate { user = "From 1 to 3: {{ text }}" }
pipeline rated {
  from texts
  verify score { labels = ["1", "2", "3"], prompt = rate, model = scorer, as = hardness, min = 1.5MORE }
}
"""


def scorer(server: PickyServer, **attributes: str) -> str:
    more = "".join(f"  {name} = {value}\n" for name, value in {"serves": "openai", **attributes}.items())
    return f'model scorer openai {{\n  base_url = "{server.url}"\n  model = "fake"\n{more}}}\n'


def told(**logprobs: float) -> Callable[[Seen], Reply]:
    """A server that says how likely tokens are, called `_1` for 1."""
    tokens = [{"token": name.lstrip("_"), "logprob": value} for name, value in logprobs.items()]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": tokens[0]["token"]},
        "finish_reason": "length",
        "logprobs": {"content": [{**tokens[0], "top_logprobs": tokens}]},
    }
    return lambda seen: Reply(completion(choices=[choice]))


def scores_of(directory: Path) -> list[dict[str, Any]]:
    with Store.open(directory / "store") as store:
        rows = store.sql("SELECT scores FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)")
    return [found for (scores,) in rows for found in json.loads(scores).values()]


def test_the_expected_score_is_that_of_a_softmax_by_hand(tmp_path: Path) -> None:
    probabilities = {"_1": 0.1, "_2": 0.2, "_3": 0.4, "other": 0.3}
    logprobs = {name: math.log(value) for name, value in probabilities.items()}
    with PickyServer(told(**logprobs)) as server:
        report, rows = run(tmp_path, scorer(server) + RATED.replace("MORE", ""))
        probe, asked = server.seen
    by_hand = (1 * 0.1 + 2 * 0.2 + 3 * 0.4) / (0.1 + 0.2 + 0.4)
    assert (report.status, rows[0][0]) == ("done", "kept")
    assert rows[0][2]["hardness"] == {"score": pytest.approx(by_hand), "passes": True}
    assert scores_of(tmp_path)[0]["evidence"]["mass"] == pytest.approx(0.7)
    assert asked.body["logprobs"] is True and asked.body["top_logprobs"] == 20
    assert asked.body["max_completion_tokens"] == 1 == probe.body["max_completion_tokens"]


def test_values_take_the_place_of_numbers(tmp_path: Path) -> None:
    spec = RATED.replace('["1", "2", "3"]', '["low", "high"]').replace("MORE", ", values = [0, 10]")
    with PickyServer(told(low=math.log(0.2), high=math.log(0.6))) as server:
        _, rows = run(tmp_path, scorer(server) + spec)
    assert rows[0][2]["hardness"]["score"] == pytest.approx(10 * 0.6 / 0.8)


def test_a_label_that_is_not_told_is_unmeasurable_and_no_number(tmp_path: Path) -> None:
    """DEITA's own code takes 3.0 for it."""
    with PickyServer(told(_1=-0.5, _2=-1.0, x=-9999.0)) as server:
        report, rows = run(tmp_path, scorer(server) + RATED.replace("MORE", ""))
    assert (report.status, rows[0][:2]) == ("done", ("dropped", "score: a label is missing"))
    [found] = scores_of(tmp_path)
    assert (found["outcome"], found["score"], found["evidence"]["missing"]) == ("unmeasurable", None, ["3"])


def test_another_threshold_asks_nothing_again(tmp_path: Path) -> None:
    with PickyServer(told(_1=-0.5, _2=-1.0, _3=-3.0)) as server:
        run(tmp_path, scorer(server) + RATED.replace("MORE", ""))
        asked = len(server.seen)
        _, rows = run(tmp_path, scorer(server) + RATED.replace("MORE", ", max = 1.2").replace("1.5", "1"))
        assert (len(server.seen), rows[0][1]) == (asked, "score: above max")


def test_a_server_that_tells_no_probabilities_is_found_out_before_the_first_row(tmp_path: Path) -> None:
    with (
        PickyServer(lambda seen: Reply(completion("2"))) as server,
        pytest.raises(
            EngineUnavailable, match=r"does not give the probabilities of labels.*tells no log-prob"
        ),
    ):
        run(tmp_path, scorer(server) + RATED.replace("MORE", ""))


def test_labels_after_a_plain_text(tmp_path: Path) -> None:
    logprobs = {"top_logprobs": [{"1": -2.0, "2": -0.5, "3": -1.5}]}
    with PickyServer(
        on(
            completions=lambda seen: (
                written("2", logprobs=logprobs) if "prompt" in seen.body else told(_1=-1.0)(seen)
            )
        )
    ) as server:
        spec = scorer(server, serves="vllm") + RATED.replace("MORE", ", form = text")
        report, _ = run(tmp_path, spec)
        asked = server.seen[-1].body
    assert report.status == "done" and asked["prompt"] == "From 1 to 3: One." and asked["logprobs"] == 20
    shares = [math.exp(value) for value in (-2.0, -0.5, -1.5)]
    by_hand = sum(n * share for n, share in enumerate(shares, start=1)) / sum(shares)
    assert scores_of(tmp_path)[0]["score"] == pytest.approx(by_hand)


@pytest.mark.train
def test_a_model_here_gives_what_its_logits_say(project: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = 'model scorer transformers { path = "model", context = 256, batch_size = 4 }\n' + RATED.replace(
        "MORE", ""
    )
    rows = ", ".join(f'{{ text = "{"nuts " * n}" }}' for n in range(1, 6))
    run(project, spec.replace('{ text = "One." }', rows).replace("min = 1.5", "min = 0"))
    tokenizer = AutoTokenizer.from_pretrained(project / "model")
    model = AutoModelForCausalLM.from_pretrained(project / "model")
    by_hand = []
    for n in range(1, 6):
        said = [{"role": "user", "content": f"From 1 to 3: {'nuts ' * n}".strip()}]
        prompt = tokenizer.apply_chat_template(
            said, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            logits = model(**prompt).logits[0, -1]
        shares = logits[[tokenizer.convert_tokens_to_ids(label) for label in "123"]].softmax(-1)
        by_hand.append(float(sum(value * share for value, share in zip((1, 2, 3), shares, strict=True))))
    assert sorted(found["score"] for found in scores_of(project)) == pytest.approx(sorted(by_hand), abs=1e-4)


@pytest.mark.train
def test_a_label_of_several_tokens_is_told_at_its_place(project: Path) -> None:
    spec = 'model scorer transformers { path = "model", context = 256 }\n' + RATED.replace("MORE", "")
    with pytest.raises(mixwright.SpecError, match=r"MIX464.*`10` is several tokens of `scorer`"):
        run(project, spec.replace('"3"]', '"10"]'))


@pytest.mark.train
def test_a_model_without_a_chat_template_scores_after_a_plain_text(project: Path) -> None:
    (project / "model" / "chat_template.jinja").unlink()
    spec = 'model scorer transformers { path = "model", context = 256 }\n' + RATED
    report, _ = run(project, spec.replace("MORE", ", form = text"))
    assert report.status == "done" and scores_of(project)[0]["outcome"] == "measured"
