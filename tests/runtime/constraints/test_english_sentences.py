"""Sentences and words of English: Punkt with our own table, the Treebank's tokens, the rules of the training kinds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixwright_runtime.verifiers.constraints.english import OWN, nltk_parameters, own_parameters
from mixwright_runtime.verifiers.constraints.first_word import FirstTag, begins_with_verb
from mixwright_runtime.verifiers.constraints.punkt import (
    BEGIN_LOWER,
    INSIDE_LOWER,
    INSIDE_UPPER,
    Punkt,
    PunktParameters,
)
from mixwright_runtime.verifiers.constraints.punkt_training import orthography_of, table_of
from mixwright_runtime.verifiers.constraints.rule_sentences import rule_sentences
from mixwright_runtime.verifiers.constraints.text import Rules, Text
from mixwright_runtime.verifiers.constraints.treebank import words_of

ENGLISH = Punkt(own_parameters())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rained. We stayed.", ["It rained.", "We stayed."]),
        ("Mr. Hill met Dr. Lee.", ["Mr. Hill met Dr. Lee."]),
        ("It cost $3.50 in the U.S. in May.", ["It cost $3.50 in the U.S. in May."]),
        ("They left the U.S. The train was late.", ["They left the U.S.", "The train was late."]),
        ("At 5 p.m. we left.", ["At 5 p.m. we left."]),
        ("J. S. Bach wrote it. We sang.", ["J. S. Bach wrote it.", "We sang."]),
        ('"Stop!" he said. "Now."', ['"Stop!"', "he said.", '"Now."']),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("Wait... what?", ["Wait... what?"]),
        ("(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
        ("One\n\nTwo.\nThree", ["One\n\nTwo.", "Three"]),
        ("no mark at all", ["no mark at all"]),
        (" \n", []),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert ENGLISH.sentences(text) == sentences


def test_by_meaning_lists_and_abbreviations_of_prose_end_nothing() -> None:
    text = "1. Eat fruit, e.g. apples.\n2. Sleep, etc. as you like.\n---\na) Rest."
    assert Text(text).sentences == ["Eat fruit, e.g. apples.", "Sleep, etc. as you like.", "---\n Rest."]
    assert len(Text(text, Rules(is_original=True)).sentences) == 7


@given(st.text(st.sampled_from("aB. ?!\"')]-,;:\n1"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_sentences_are_the_text_without_the_space_between(text: str) -> None:
    spans = ENGLISH.spans(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("We can't go.", ["We", "ca", "n't", "go", "."]),
        ('He said "no", twice.', ["He", "said", "``", "no", "''", ",", "twice", "."]),
        ("It's $3.50 (net).", ["It", "'s", "$", "3.50", "(", "net", ")", "."]),
        ("Wait... 10,000 *now*!", ["Wait", "...", "10,000", "*", "now", "*", "!"]),
        ("“So,” she said", ["“", "So", ",", "”", "she", "said"]),
        ("I cannot, gonna", ["I", "can", "not", ",", "gon", "na"]),
        ("the dogs' bone -- ours", ["the", "dogs", "'", "bone", "--", "ours"]),
        ("", []),
    ],
)
def test_treebank_words(sentence: str, words: list[str]) -> None:
    assert words_of(sentence) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mr. Hill came. He sat.", ["Mr. Hill came.", "He sat."]),
        ("See example.com for 3.5 Ph.D. theses.", ["See example.com for 3.5 Ph.D. theses."]),
        ('He said "No." Then he left.', ['He said "No".', "Then he left."]),
        ("Wait... now.", ["Wait...", "now."]),
        ("What?! Yes.", ["What?", "!", "Yes."]),
    ],
)
def test_sentences_by_rules(text: str, sentences: list[str]) -> None:
    assert rule_sentences(text) == sentences


def test_words_are_learned_from_where_they_stand() -> None:
    text = "Rain fell. The rain fell on Oslo. the Rain? We saw Oslo, and rain fell."
    learned = orthography_of([text], frozenset())
    assert learned["oslo"] == INSIDE_UPPER
    assert learned["rain"] & INSIDE_LOWER and learned["fell"] == INSIDE_LOWER
    assert "saw" not in learned, "seen once"
    assert orthography_of(["so it is. so it was. So be it. so"], frozenset())["so"] & BEGIN_LOWER


def test_a_table_keeps_its_hand_written_lines() -> None:
    old = "# where from\nabbreviations dr mr\nstarters the\n36 old words\n"
    made = table_of(old, ["It rained. It rained in Oslo and Oslo."])
    assert made.splitlines()[:3] == old.splitlines()[:3]
    assert "old" not in made and "4 oslo" in made


def test_our_table_says_where_it_is_from_and_is_small() -> None:
    text = OWN.read_text(encoding="utf-8")
    assert text.startswith("# ") and "public domain" in text.splitlines()[0]
    assert len(text) < 100_000
    assert own_parameters().orthography["the"] and "mr" in own_parameters().abbreviations


def test_nltks_tables_are_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "abbrev_types.txt").write_text("dr\nmr\n")
    (tmp_path / "collocations.tab").write_text("##number##\tstreet\n")
    (tmp_path / "sent_starters.txt").write_text("the\n")
    (tmp_path / "ortho_context.tab").write_text("oslo\t4\n")
    read = nltk_parameters(tmp_path)
    assert read == PunktParameters(
        frozenset({"dr", "mr"}),
        frozenset({("##number##", "street")}),
        frozenset({"the"}),
        {"oslo": 4},
        str(tmp_path),
    )
    assert Punkt(read).sentences("At 12. Street music.") == ["At 12. Street music."]
    (tmp_path / "ortho_context.tab").write_text("oslo 4\n")
    with pytest.raises(ValueError, match="not a table"):
        nltk_parameters(tmp_path)


@pytest.mark.parametrize(
    ("words", "is_verb"),
    [
        ("Mix the flour", True),
        ("Consider this", True),
        ("Running late", True),
        ("Whirring machines", True),
        ("Tried it", True),
        ("Makes sense", True),
        ("Is it so", True),
        ("The flour", False),
        ("Morning came", False),
        ("Plan is ready", False),
        ("Seven", False),
        ("", False),
    ],
)
def test_first_words_that_are_verbs(words: str, is_verb: bool) -> None:
    assert begins_with_verb(words.split() or [""]) == is_verb


def test_a_first_word_is_tagged_by_the_weights_that_apply() -> None:
    weights = {"i word mix": {"VB": 2.0}, "bias": {"NN": 1.0}, "i+1 word flour": {"NN": 0.5, "VB": 0.25}}
    tagger = FirstTag(weights, {"The": "DT"}, ("NN", "VB", "DT"))
    assert [tagger.of(s.split()) for s in ("Mix flour", "The flour", "Flour", "Some flour")] == [
        "VB",
        "DT",
        "NN",
        "NN",
    ]
