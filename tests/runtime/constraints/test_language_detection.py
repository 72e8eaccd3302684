"""Languages of texts: langdetect's answers, seeded; and what a script tells without statistics."""

from __future__ import annotations

import pytest

from mixwright_runtime.verifiers.constraints.language import detected, language_of

langdetect = pytest.importorskip("langdetect")

TEXTS = [
    "The train will leave the station in ten minutes, and nobody has bought a ticket.",
    "THE TRAIN WILL LEAVE THE STATION IN TEN MINUTES.",
    "Der Zug fährt in zehn Minuten ab, und niemand hat eine Fahrkarte.",
    "Le train part dans dix minutes et personne n'a de billet.",
    "Поезд отправляется через десять минут.",
    "火车十分钟后出发，没有人买票。",
    "電車は十分後に出発します。",
    "기차는 십 분 후에 출발합니다.",
    "القطار سيغادر بعد عشر دقائق",
    "ट्रेन दस मिनट में चलेगी",
    "Chuyến tàu sẽ khởi hành sau mười phút nữa.",
    "Trenul pleacă în zece minute și nimeni nu are bilet.",
    "write to me@example.org or see https://example.org/a?b=c#d for more",
    "English words und deutsche Wörter και ελληνικά",
    "hello",
    "Ünïcödé  double  spaces   ",
    "123 456",
    "",
    "é" * 20_000,
]


def of_langdetect(text: str) -> str | None:
    langdetect.DetectorFactory.seed = 0
    try:
        return str(langdetect.detect(text))
    except langdetect.LangDetectException:
        return None


@pytest.mark.parametrize("text", TEXTS, ids=[text[:20] or "empty" for text in TEXTS])
def test_the_answer_is_langdetects(text: str) -> None:
    assert detected(text) == of_langdetect(text)


def test_the_seed_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    short = "I am not here"
    before = [detected(short) for _ in range(5)]
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 7)
    assert [detected(short) for _ in range(5)] == before
    assert langdetect.DetectorFactory.seed == 7


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("火车出发了", "zh"),
        ("電車が出た", "ja"),
        ("기차", "ko"),
        ("รถไฟ", "th"),
        ("τρένο", "el"),
        ("THE TRAIN WILL LEAVE THE STATION IN TEN MINUTES.", "en"),
        ("123", None),
    ],
)
def test_by_meaning_a_script_may_decide(text: str, language: str | None) -> None:
    assert language_of(text) == language
