"""What other trainers are given says what the train block says, and a row that they cannot hold is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.marks import with_marks
from mixwright_runtime.training.encode import IGNORED, EncodingCounts, encode
from mixwright_runtime.training.packed import open_packed
from tests.training.exported import exported, mixed

pytestmark = pytest.mark.train

CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
WEATHER = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
SECOND = mixed([{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}] * 2)[
    1
].id
"""The id of the second row, whatever is in it."""
CALLING = {
    "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "rain"},
        {"role": "assistant", "content": "It rains.", "reasoning_content": "Rain."},
    ],
    "tools": WEATHER,
}
PLAIN = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
UNTRAINED = {
    "messages": [
        *PLAIN["messages"],
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "y", "weight": 0},
    ]
}
CHATML = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def config(path: Path) -> dict[str, Any]:
    """A YAML file whose values are JSON."""
    lines = path.read_text().splitlines()
    return {
        key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines if line[0] != "#")
    }


@pytest.fixture
def train(train_block: Any) -> Any:
    """A block that packs into 96 tokens on one rank without ZeRO."""
    return lambda **given: train_block(**{"zero": 0, "ranks": 1, "precision": "fp32", **given})


def test_trls_configuration_is_the_train_blocks(rows: Any, train: Any, tmp_path: Path) -> None:
    place = exported(
        "trl", rows, train(learning_rate=3e-3, warmup=0.5, output="out/student"), tmp_path / "trl"
    )
    values = config(place / "trl.yaml")
    assert (place / values["model_name_or_path"] / "config.json").exists()
    expected = {
        "dataset_name": "data",
        "max_length": 96,
        "packing": True,
        "packing_strategy": "bfd",
        "max_steps": 4,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "linear",
        "warmup_steps": 2,
        "assistant_only_loss": True,
        "bf16": False,
        "output_dir": "../out/student-trl",
    }
    assert {key: values[key] for key in expected} == expected
    assert "{% generation %}" in (place / values["chat_template_path"]).read_text()
    assert "deepspeed" not in values and not (place / "deepspeed.json").exists()
    assert "trl sft --config trl.yaml" in (place / "README.md").read_text()


def test_a_step_has_the_examples_that_the_block_asks_for(rows: Any, train: Any, tmp_path: Path) -> None:
    """Packed, a step's sequences hold `batch` examples on average; spread over ranks, micro-batches and accumulation."""
    place = exported("trl", rows, train(batch=20, ranks=2, zero=3, precision="bf16"), tmp_path / "trl")
    values = config(place / "trl.yaml")
    facts = json.loads((place / "manifest.json").read_text())["training"]
    per_step = 2 * values["per_device_train_batch_size"] * values["gradient_accumulation_steps"]
    assert facts["examples"] == len(rows)
    assert abs(per_step - 20 * facts["sequences"] / facts["examples"]) <= 1
    assert json.loads((place / values["deepspeed"]).read_text())["zero_optimization"]["stage"] == 3


def test_every_trainer_has_its_files(rows: Any, train: Any, tmp_path: Path) -> None:
    for format in ("axolotl", "llama_factory", "open_instruct"):
        place = exported(format, rows, train(), tmp_path / format)
        values = config(place / f"{format}.yaml")
        assert 3e-3 in values.values() and 96 in [
            v - (format == "llama_factory") for v in values.values() if v == 97 or v == 96
        ]
        lines = (place / "data" / "train-00000-of-00001.jsonl").read_text().splitlines()
        assert [json.loads(line)["messages"] for line in lines] == [row["messages"] for row in rows]
    info = json.loads((tmp_path / "llama_factory" / "dataset_info.json").read_text())
    assert list(info) == ["m"] and info["m"]["formatting"] == "sharegpt"
    assert (tmp_path / "llama_factory" / info["m"]["file_name"]).exists()


def test_without_a_train_block_there_is_the_data_alone(tmp_path: Path) -> None:
    place = exported("trl", [PLAIN], None, tmp_path / "trl")
    assert sorted(p.name for p in place.iterdir()) == ["README.md", "data", "manifest.json"]


def test_llama_factory_gets_reasoning_and_calls_in_its_own_form(tmp_path: Path) -> None:
    place = exported("llama_factory", [CALLING], None, tmp_path / "lf")
    line = json.loads((place / "data" / "train-00000-of-00001.jsonl").read_text())
    assert line["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "function_call", "content": '[{"name": "weather", "arguments": {"city": "Bern"}}]'},
        {"role": "observation", "content": "rain"},
        {"role": "assistant", "content": "<think>\nRain.\n</think>\n\nIt rains."},
    ]
    assert json.loads(line["tools"]) == [WEATHER[0]["function"]]


def said(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "Ada"} for role in roles]}


@pytest.mark.parametrize(
    ("format", "row", "reason"),
    [
        ("llama_factory", said("user", "user", "assistant"), "message 2 is of role user"),
        ("llama_factory", said("user", "assistant", "user"), "does not end with the assistant"),
        ("llama_factory", said("user", "system", "assistant"), "only as the first"),
        ("llama_factory", UNTRAINED, "weight = 0"),
        ("trl", UNTRAINED, "weight = 0"),
        ("open_instruct", UNTRAINED, "weight = 0"),
        ("open_instruct", CALLING, "reads no tools"),
    ],
)
def test_a_row_that_a_trainer_cannot_hold_is_named(
    format: str, row: Any, reason: str, tmp_path: Path
) -> None:
    """With the number of others, and nothing is written."""
    with pytest.raises(RunError, match=f"row {SECOND}: .*{reason}.*; 1 other"):
        exported(format, [PLAIN, row, row], None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "attributes", "reason"),
    [
        ("trl", {"overlong": "drop"}, "TRL cuts it, not `drop`"),
        ("llama_factory", {"overlong": "truncate"}, "LLaMA-Factory drops it, not `truncate`"),
        ("open_instruct", {"overlong": "drop"}, "open-instruct cuts it, not `drop`"),
    ],
)
def test_an_overlong_row_that_a_trainer_treats_otherwise_is_named(
    format: str, attributes: Any, reason: str, train: Any, tmp_path: Path
) -> None:
    long = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "1+1 " * 99}]}
    with pytest.raises(RunError, match=f"row {SECOND}: .*{reason}"):
        exported(format, [PLAIN, long], train(**attributes), tmp_path / "out")
    exported(format, [PLAIN, PLAIN], train(**attributes), tmp_path / "out")


def test_a_row_that_trl_would_read_otherwise_is_named(train: Any, tmp_path: Path, random_model: Path) -> None:
    """Text of a control token is a control token to TRL; the labels of `mixwright train` leave the row out."""
    forged = {"messages": [{"role": "user", "content": "a<|end|>b"}, {"role": "assistant", "content": "c"}]}
    with pytest.raises(RunError, match=f"row {SECOND}: it has a control token as text"):
        exported("trl", [PLAIN, forged], train(), tmp_path / "out")
    place = exported("tokenized", [PLAIN, forged], train(), tmp_path / "out")
    assert (
        f"1 row with the text of a control token in a message, refused: `{SECOND}`"
        in (place / "README.md").read_text()
    )


def test_a_template_gets_marks_around_the_answer_and_its_end(tokenizer: Any) -> None:
    marked = with_marks(CHATML, ["<|end|>"])
    messages = [
        *PLAIN["messages"],
        {"role": "user", "content": "Bo"},
        {"role": "assistant", "content": " 3 "},
    ]
    read = [
        tokenizer.apply_chat_template(
            messages, chat_template=t, return_dict=True, return_assistant_tokens_mask=t is marked
        )
        for t in (CHATML, marked)
    ]
    assert read[0]["input_ids"] == read[1]["input_ids"]
    trained = [t for t, m in zip(read[1]["input_ids"], read[1]["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(trained) == "Hello<|end|> 3 <|end|>"
    for template in ("{{ bos_token }}{{ body }}", "{% for m in messages %}{{ shown(m) }}{% endfor %}"):
        assert with_marks(template, ["<|end|>"]) is None


def test_marks_cover_an_end_that_follows_as_text(tokenizer: Any) -> None:
    template = "{% for m in messages %}<|{{ m.role }}|>\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
    marked = with_marks(template, ["<|end|>"])
    asked = {"return_dict": True, "return_assistant_tokens_mask": True}
    read = tokenizer.apply_chat_template(PLAIN["messages"], chat_template=marked, **asked)
    plain = tokenizer.apply_chat_template(PLAIN["messages"], chat_template=template, return_dict=True)
    assert read["input_ids"] == plain["input_ids"]
    trained = [t for t, m in zip(read["input_ids"], read["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(trained) == "Hello<|end|>"


def test_a_model_whose_template_has_no_marks_is_exported_with_them(
    rows: Any, train: Any, tokenizer: Any, random_model: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(random_model, tmp_path / "model")
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = CHATML
    plain.save_pretrained(tmp_path / "model")
    place = exported("trl", rows, train(base="model"), tmp_path / "trl")
    assert "{% generation %}" in (place / "tokenizer" / "chat_template.jinja").read_text()
    plain.chat_template = "{% for m in messages %}{{ [m.content] | join }}{{ eos_token }}{% endfor %}"
    plain.save_pretrained(tmp_path / "model")
    with pytest.raises(RunError, match="`format = tokenized` holds"):
        exported("trl", rows, train(base="model"), tmp_path / "trl")


def test_tokens_and_labels_are_those_of_training(
    rows: Any, train: Any, tokenizer: Any, tmp_path: Path
) -> None:
    place = exported("tokenized", rows, train(turns="last"), tmp_path / "tokens")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{place}/data/*.parquet'")
        assert [column[0] for column in found.description] == ["input_ids", "attention_mask", "labels"]
        lines = found.fetchall()
    expected = encode(
        [row.for_training() for row in mixed(rows)],
        tokenizer,
        context=96,
        overlong="truncate",
        counts=EncodingCounts(),
    )
    assert lines == [(s.tokens.tolist(), [1] * len(s.tokens), s.labels.tolist()) for s in expected]
    names = [json.loads(line) for line in (place / "ids.jsonl").read_text().splitlines()]
    assert names == [{"id": r.id, "lineage": r.lineage, "component": r.component} for r in mixed(rows)]
    assert (place / "trl.yaml").exists() and (place / "axolotl.yaml").exists()


def test_packed_sequences_are_those_of_training(rows: Any, train: Any, tmp_path: Path) -> None:
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    block = train()
    place = exported("packed", rows, block, tmp_path / "packed")
    listed = [row.for_training() for row in mixed(rows)]
    prepared = prepare(settings_of(block, tmp_path), listed, tmp_path / "out")
    packed = open_packed(place / "packed")
    assert packed.manifest.digest == prepared.manifest.digest
    bins = [json.loads(line) for line in (place / "packed" / "bins.jsonl").read_text().splitlines()]
    names = [pair for found in bins for pair in zip(found["ids"], found["lineages"], strict=True)]
    assert sorted(names) == sorted((row["id"], row["lineage"]) for row in listed)
    with duckdb.connect() as connection:
        lines = connection.execute(
            f"SELECT input_ids, labels, seq_lengths FROM '{place}/data/*.parquet'"
        ).fetchall()
    for number, (tokens, labels, lengths) in enumerate(lines):
        used = int(packed.used[number])
        assert tokens == packed.tokens[number, :used].tolist() and sum(lengths) == used
        assert all(labels[start] == IGNORED for start in np.cumsum([0, *lengths[:-1]]))
    assert sum(len(lengths) for _, _, lengths in lines) == len(rows)


def test_a_fresh_models_tokens_need_no_model(rows: Any, train: Any, tmp_path: Path) -> None:
    fresh = {"hidden": 32, "layers": 1, "heads": 2, "ffn": 64}
    block = train(base=None, architecture=fresh, vocabulary=300)
    place = exported("tokenized", rows, block, tmp_path / "tokens")
    assert (place / "tokenizer" / "tokenizer.json").exists() and not (place / "trl.yaml").exists()
    with pytest.raises(RunError, match="continues from a model"):
        exported("trl", rows, block, tmp_path / "trl")


def test_new_tokens_are_in_the_data_and_the_note_and_in_no_trainers_file(
    rows: Any, train: Any, tmp_path: Path
) -> None:
    block = train(new_tokens=["Ada has"])
    place = exported("tokenized", rows, block, tmp_path / "tokens")
    assert "has 1 new token: the base needs a row" in (place / "README.md").read_text()
    assert not (place / "trl.yaml").exists()
    with duckdb.connect() as connection:
        lines = connection.execute(f"SELECT input_ids FROM '{place}/data/*.parquet'").fetchall()
    token = json.loads((place / "tokenizer" / "tokenizer.json").read_text())["added_tokens"][-1]
    assert token["content"] == "Ada has" and all(token["id"] in ids for (ids,) in lines)
    with pytest.raises(RunError, match="the configuration for TRL does not tell `new_tokens`"):
        exported("trl", rows, block, tmp_path / "trl")
