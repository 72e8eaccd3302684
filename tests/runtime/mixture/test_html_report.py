"""The report is one safe, bounded page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from mixwright_runtime.errors import RunError
from mixwright_runtime.facts.pipelines import Drop, PipelineFacts, Stage
from mixwright_runtime.facts.run import RunFacts, Sample, run_facts
from mixwright_runtime.mixture import MixtureRecord
from mixwright_runtime.mixture.selection import ComponentResult
from mixwright_runtime.report.curves import TrainingFacts
from mixwright_runtime.report.html import report_html, write_report
from mixwright_runtime.report.page import environment, page, part
from mixwright_runtime.report.svg import line
from mixwright_runtime.report.text import brief, sentence, shown
from mixwright_runtime.store.counts import ScoreBins
from mixwright_runtime.store.records import TallyRecord
from mixwright_runtime.store.store import Store
from tests.runtime.mixture.finished import chat, finish_run, outcome, plan

ATTACK = "<script src=//evil.example/x.js></script><img src=x onerror=alert(1)>\u202e\x1b[31m\ud800 ]]> &amp; \"' --"
VOID = {"meta"}


class Page(HTMLParser):
    """Checks that tags nest, and collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def facts(text: str = "fine", times: int = 1) -> RunFacts:
    """A run whose every text is `text`, with lists `times` as long."""
    sample = Sample("ab" * 16, text, [("user", text), ("assistant", text * 1_000)], text, text, text, text)
    result = ComponentResult(text, text, text, 10, 10, 8, 20, text, ((text, 3, 2),) * times)
    return RunFacts(
        spec=f"{text}.mix",
        run_id=3,
        status=text,
        started=0.0,
        ended=90.0,
        versions={text: text},
        spec_files=[(text, text)] * times,
        pipelines=[
            PipelineFacts(
                text,
                [Stage(text, 100, 80, 15, 5)] * times,
                [Drop(text, text, text, 15), Drop(text, text, text, 5, quarantined=True)] * times,
                [ScoreBins(text, text, 0.0, 1.0, [0, 3, 7])] * times,
            )
        ],
        mixtures=[MixtureRecord(text, 8, (result,), (text,), text, {text: {text: text}})],
        accepted=[sample] * 20,
        rejected=[sample] * 20,
    )


def test_no_text_from_data_becomes_markup():
    training = TrainingFacts(
        ATTACK, [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}], {ATTACK: 0.1}, {ATTACK: 0.5}
    )
    page = report_html(facts(ATTACK), training)
    parsed = Page(page)
    assert not parsed.tags & {"script", "img", "link", "iframe", "object", "form", "base", "a"}
    assert not [name for name in parsed.attributes if name.startswith("on") or name in ("src", "href")]
    assert "<script src=//evil.example/x.js></script>" in parsed.text
    assert not re.search("[\x1b\u202e\ud800]", page)


def test_what_a_template_prints_is_escaped_though_it_asks_for_nothing():
    assert (
        page(ATTACK, [part("training", "section", "t", [(ATTACK, ATTACK)], [], None)]).count("<script") == 0
    )
    printed = environment().from_string("{{ text }}").render(text=ATTACK)
    assert not re.search("[<>\x1b\u202e\ud800]", printed)
    assert "&lt;script" in printed


def test_a_name_that_a_template_misspells_is_an_error():
    with pytest.raises(UndefinedError, match="nmae"):
        environment().from_string("{{ nmae }}").render(name="Ada")


def test_names_in_backticks_become_code_in_a_sentence():
    assert sentence("drop `a<b` and `c`") == "drop <code>a&lt;b</code> and <code>c</code>"


def test_the_page_may_load_nothing():
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in report_html(facts())
    assert not re.search(r"https?://|url\(|@import", report_html(facts()))


@pytest.mark.parametrize("text", ["x" * 500, "<&\"'>" * 100, "数据" * 250, "🙂" * 300])
def test_the_page_stays_under_500_kilobytes(text):
    assert len(report_html(facts(text, times=60)).encode()) < 500_000


def test_what_cannot_be_seen_is_shown_as_its_code():
    assert shown("a\u202eb\x00c\n\td", 100) == "a⟨U+202E⟩b⟨U+0000⟩c\n\td"


def test_a_cut_text_says_how_much_is_missing():
    assert shown("<<<<", 8) == '&lt;&lt; <span class="cut">… 2 more characters</span>'
    assert brief("x" * 200) == "x" * 120 + "…"


def test_a_loss_that_is_not_a_number_is_left_out_of_the_curve():
    assert line([(1, 2.0), (2, float("nan")), (3, 1.0)], "loss") == line([(1, 2.0), (3, 1.0)], "loss")
    assert line([(1, float("inf"))], "loss") == ""


def test_an_imported_pipeline_is_told_from_a_component_in_a_mixtures_steps():
    steps = PipelineFacts("student.lessons.solve", mixture="student")
    page = report_html(replace(facts(), pipelines=[PipelineFacts("lessons.solve"), steps]))
    assert "Pipeline lessons.solve" in page
    assert "Steps of mixture student on lessons.solve" in page


def test_a_report_shows_what_the_store_has(tmp_path):
    made = plan(tmp_path)
    with Store.open(tmp_path / "store") as store:
        run_id = finish_run(made, store)
        for score in (0.0, 0.5, 1.0):
            scored = outcome("math", 6, chat("?", "!"), run_id=run_id, status="dropped", step="verify_math")
            scores = {
                "scores": json.dumps({"verify_math": {"outcome": "measured", "score": score}}),
                "reason": "wrong",
            }
            store.put_outcome(scored._replace(**scores))
        store.put_tally(TallyRecord(run_id, "math", "verify_math", 0, 9, 4, 5))
        store.close()
    with Store.open(tmp_path / "store", read_only=True) as store:
        found = run_facts(store, made, run_id)
        with pytest.raises(RunError, match="the store has no run 7"):
            run_facts(store, made, 7)
    (math,) = [p for p in found.pipelines if p.name == "math"]
    assert math.stages == [Stage("verify_math", 9, 4, 5)]
    assert [(d.reason, d.rows) for d in math.drops] == [("wrong", 3), ("math: wrong", 2), ("contaminated", 1)]
    assert [(h.step, h.low, h.high, sum(h.counts), h.counts[0], h.counts[-1]) for h in math.histograms] == [
        ("verify_math", 0.0, 1.0, 3, 1, 1)
    ]
    assert {s.pipeline for s in found.accepted} == {"math", "chats"}
    assert {s.reason for s in found.rejected} == {"wrong", "math: wrong", "contaminated"}
    write_report(tmp_path / "report" / "index.html", found)
    text = Page((tmp_path / "report" / "index.html").read_text(encoding="utf-8")).text
    for expected in ("tutor.mix", "decontaminate_ngram", "Grüß dich 🙂", "What is 4 + 1?", "math: wrong"):
        assert expected in text


def test_an_older_report_is_replaced_in_one_step(tmp_path):
    (tmp_path / "r.html").write_text("old")
    write_report(tmp_path / "r.html", facts())
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == report_html(facts())
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_numbers_of_a_step_of_a_mixture_are_a_table():
    report = {ATTACK: {"rows": 2_000, "matched": 7, "examples": [ATTACK], ATTACK: 1}}
    whole = facts()
    (record,) = whole.mixtures
    made = report_html(replace(whole, mixtures=[replace(record, steps={"decontaminate_ngram": report})]))
    assert "<h3>decontaminate_ngram</h3>" in made
    assert "<td class=n>2,000</td><td class=n>7</td><td class=n>1</td>" in made
    assert "<script" not in made
    odd = replace(record, steps={"other": {"a": 1, "b": {"c": 2}}})
    assert "<h3>other</h3>" not in report_html(replace(whole, mixtures=[odd]))


def test_groups_have_a_column_where_there_are_some():
    whole = facts()
    (record,) = whole.mixtures
    alone = [replace(result, group="") for result in record.results]
    assert "<th>group</th>" in report_html(whole)
    assert "<th>group</th>" not in report_html(replace(whole, mixtures=[replace(record, results=alone)]))
