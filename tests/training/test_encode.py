"""Labels: on the assistant's tokens, the end token included, and nowhere else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.encode import IGNORED, Encoded, EncodingCounts, encode, fates, tokens_within

pytestmark = pytest.mark.train

UNMARKED = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
REWRITING = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' }}"
    "{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def row_of(*contents: str, name: str = "r") -> dict[str, Any]:
    """A conversation that the user begins."""
    roles = ("user", "assistant")
    return {
        "id": name,
        "component": "c",
        "messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)],
    }


def encoded(
    tokenizer: Any, *rows: dict[str, Any], context: int = 200, overlong: Any = "truncate"
) -> tuple[list[Encoded], EncodingCounts]:
    counts = EncodingCounts()
    return list(encode(rows, tokenizer, context=context, overlong=overlong, counts=counts)), counts


def trained_text(tokenizer: Any, sequence: Encoded) -> str:
    return str(tokenizer.decode([token for token in sequence.labels if token != IGNORED]))


def test_every_assistant_turn_is_trained_with_its_end(tokenizer: Any) -> None:
    [sequence], _ = encoded(tokenizer, row_of("Ada has 3", "#### 3", "Bo has 4", "#### 4"))
    assert trained_text(tokenizer, sequence) == "#### 3<|end|>#### 4<|end|>"
    assert tokenizer.decode(sequence.tokens) == (
        "<|user|>Ada has 3<|assistant|>#### 3<|end|><|user|>Bo has 4<|assistant|>#### 4<|end|>"
    )


def test_a_template_without_marks_is_located_by_rendering(tokenizer: Any) -> None:
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = UNMARKED
    [sequence], _ = encoded(plain, row_of("Ada has 3", "#### 3", "Bo", "#### 4"))
    # The line break after the end token belongs to the template: no model has to write it.
    assert trained_text(plain, sequence) == "#### 3<|end|>#### 4<|end|>"


def test_a_row_of_which_the_template_leaves_an_answer_out_is_refused(tokenizer: Any) -> None:
    rewriting = copy.deepcopy(tokenizer)
    rewriting.chat_template = REWRITING
    rows = [row_of("Ada", "#### 3", "Bo", "#### 4", name="two"), row_of("Ada", "#### 3", name="one")]
    sequences, counts = encoded(rewriting, *rows)
    assert ([s.id for s in sequences], counts.unwritten) == (["one"], ["two"])


def test_a_template_that_changes_words_is_refused_with_the_reason(tokenizer: Any) -> None:
    loud = copy.deepcopy(tokenizer)
    loud.chat_template = "{% for m in messages %}{{ m.content | upper }}<|end|>{% endfor %}"
    sequences, counts = encoded(loud, row_of("Ada", "#### three"))
    assert (sequences, counts.unlocatable) == ([], ["r"])
    [(told, _)] = fates(counts)
    assert "the chat template changes the words of messages" in told


def test_a_tokenizer_that_does_not_give_back_what_it_is_given_is_refused(tokenizer: Any) -> None:
    """So does one whose directory has no `config.json` and that is loaded as a model's of another kind."""
    from tokenizers import decoders, pre_tokenizers

    broken = copy.deepcopy(tokenizer)
    broken.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    with pytest.raises(RunError, match="of row r, 'Ada has 3 pears' comes back as 'Adahas3pears'"):
        encoded(broken, row_of("Ada has 3 pears", "#### 3"))
    broken = copy.deepcopy(tokenizer)
    broken.backend_tokenizer.decoder = decoders.Fuse()
    with pytest.raises(RunError, match=r"config.json"):
        encoded(broken, row_of("Ada has 3 pears", "#### 3"))


def test_words_that_the_user_repeats_are_not_trained(tokenizer: Any) -> None:
    [sequence], _ = encoded(tokenizer, row_of("#### 3", "#### 3"))
    assert trained_text(tokenizer, sequence) == "#### 3<|end|>"
    assert sequence.labels[0] == IGNORED


def test_a_row_that_trains_nothing_is_refused_and_named(tokenizer: Any) -> None:
    sequences, counts = encoded(tokenizer, row_of("only a question", name="bad"), row_of("Ada", "1"))
    assert [s.id for s in sequences] == ["r"]
    assert (counts.rows, counts.sequences, counts.unlabelled) == (2, 1, ["bad"])


def test_a_row_that_trains_its_end_token_alone_is_refused_and_named(tokenizer: Any) -> None:
    sequences, counts = encoded(tokenizer, row_of("Ada", "", name="silent"), row_of("Ada", "", "Bo", "1"))
    assert [s.id for s in sequences] == ["r"]
    assert counts.unlabelled == ["silent"]


def test_truncation_cuts_the_end_and_names_the_row(tokenizer: Any) -> None:
    [sequence], counts = encoded(tokenizer, row_of("Ada", "nuts " * 40), context=16)
    assert len(sequence.tokens) == 16
    assert counts.truncated == ["r"]


def test_a_row_whose_answer_lies_after_the_cut_is_refused(tokenizer: Any) -> None:
    sequences, counts = encoded(tokenizer, row_of("nuts " * 60, "#### 1"), context=16)
    assert (sequences, counts.unlabelled, counts.truncated) == ([], ["r"], [])


def test_dropping_leaves_overlong_rows_out(tokenizer: Any) -> None:
    sequences, counts = encoded(
        tokenizer, row_of("Ada", "nuts " * 40, name="long"), row_of("Bo", "2"), context=16, overlong="drop"
    )
    assert ([s.id for s in sequences], counts.dropped) == (["r"], ["long"])


def test_splitting_trains_every_token_once_but_each_pieces_first(tokenizer: Any) -> None:
    row = row_of("Ada", "nuts " * 40)
    [whole], _ = encoded(tokenizer, row, context=400)
    pieces, counts = encoded(tokenizer, row, context=16, overlong="split")
    assert counts.split == ["r"]
    assert [token for piece in pieces for token in piece.tokens] == whole.tokens.tolist()
    assert (
        sum((p.labels != IGNORED).sum() for p in pieces) == (whole.labels != IGNORED).sum() - len(pieces) + 1
    )


@pytest.mark.parametrize(
    "text", ["Ada 🙂🙂 has", "  Grüß   dich\u2028|", "日本語のテキスト", "a\x00b\ufeff", ""]
)
def test_tokens_of_characters_are_those_whose_places_overlap(tokenizer: Any, text: str) -> None:
    """Several tokens may hold one character, and a border may lie within a token."""
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    for start in range(len(text)):
        for end in range(start, len(text) + 1):
            places = enumerate(encoding.offsets)
            expected = [i for i, (a, b) in places if a < end and b > start and start < end]
            assert list(range(*tokens_within(encoding, start, end))) == expected
