"""`review`: a sample for people as CSV, read back as spreadsheets leave it, and a floor that ends the run."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright.commands.run import report_text
from mixwright.commands.status import rendered
from mixwright.rehearsal import rehearsed
from mixwright_runtime.errors import ReviewFailed, RunError
from mixwright_runtime.exporters.card import CardFacts, dataset_card
from mixwright_runtime.facts.mixture import mixture_facts
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.facts.run import run_facts
from mixwright_runtime.facts.status import status_of
from mixwright_runtime.report.html import report_html

ROWS = """
source pool duckdb {
  sql = <<~SQL
    SELECT 'q' || i AS q, CASE WHEN i % 4 = 0 THEN 'rare' ELSE 'usual' END AS kind, i % 4 > 0 AS good
    FROM range(80) AS t(i)
    SQL
}
"""
TAGS = """
source pool inline { rows = [
  { q = "=1+1", tags = ["sums", "@home"] }, { q = "Grüße, 你好", tags = ["greetings"] }, { q = "none", tags = [] }] }
pipeline p { from pool
  review seen { of = tags, show = [q], people = 2, out = "tags.csv" LEAST } }
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"<{prompt}>")
    yield made
    made.store.close()


def review(text: str, rows: str = ROWS) -> str:
    return f'{rows}pipeline p {{ from pool\n review seen {{ of = q, show = [kind], out = "out/sheet.csv", {text} }} }}\n'


def lines(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill(path: Path, verdict: Callable[[dict[str, str]], dict[str, str]], to: Path | None = None) -> None:
    there = [{**line, **verdict(line)} for line in lines(path)]
    with (to or path).open("w", encoding="utf-8", newline="") as file:
        written = csv.DictWriter(file, list(there[0]))
        written.writeheader()
        written.writerows(there)


def figures(runs: SpecRuns) -> dict:
    [(summary,)] = runs.store.sql("SELECT summary FROM run_end ORDER BY run_id DESC LIMIT 1")
    return json.loads(summary)["reviews"]["p.review_seen"]


def test_a_sample_is_drawn_of_each_value_by_its_share(runs: SpecRuns) -> None:
    runs.run(review("count = 22, by = kind"))
    drawn = lines(runs.directory / "out/sheet.csv")
    assert Counter(line["kind"] for line in drawn) == {"rare": 6, "usual": 16}  # 5.5 and 16.5, ties by name
    assert figures(runs)["values"] == {'"rare"': [20, 6], '"usual"': [60, 16]}
    assert figures(runs)["judged"] == 0 and figures(runs)["precision"] is None
    assert [columns["seen"] for _, _, columns in runs.rows()] == [None] * 80


def test_more_rows_are_the_same_and_others_and_another_seed_draws_others(runs: SpecRuns) -> None:
    def drawn(text: str, seed: str = "") -> set[str]:
        runs.run(review(text).replace("from pool", f"{seed}\n from pool"))
        return {line["row"] for line in lines(runs.directory / "out/sheet.csv")}

    few, more = drawn("count = 10"), drawn("count = 30")
    assert len(few) == 10 and few < more
    assert drawn("count = 10", "seed = 5") != few


def test_formulas_and_other_letters_come_back_as_they_went(runs: SpecRuns) -> None:
    runs.run(TAGS.replace("LEAST", ""))
    sheet = runs.directory / "tags.csv"
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    found = {(line["q"], line["item"]): line["tags"] for line in lines(sheet)}
    assert found == {
        ("'=1+1", "1"): "sums",
        ("'=1+1", "2"): "'@home",
        ("Grüße, 你好", "1"): "greetings",
        ("none", ""): "",
    }


def verdicts_on_tags(line: dict[str, str]) -> dict[str, str]:
    """Both say yes to `sums`, they differ on `@home`, the first misses one of the greeting's and one of no tags."""
    match line["tags"]:
        case "sums":
            return {"verdict_1": "Yes", "verdict_2": "1", "missing_1": "0", "missing_2": "0"}
        case "'@home":
            return {"verdict_1": "no", "verdict_2": "对"}
        case "greetings":
            return {"verdict_1": "y", "verdict_2": "?", "missing_1": "1"}
    return {"missing_1": "1", "missing_2": "1"}


def test_items_of_lists_give_precision_recall_and_kappa(runs: SpecRuns) -> None:
    runs.run(TAGS.replace("LEAST", ""))
    fill(runs.directory / "tags.csv", verdicts_on_tags)
    report = runs.run(TAGS.replace("LEAST", ""))
    found = figures(runs)
    assert (found["precision"]["part"], found["precision"]["of"]) == (2, 3)  # the tie counts as no
    assert (found["recall"]["part"], found["recall"]["of"]) == (2, 4)
    assert (found["kappa"], found["ties"], found["unsure"], found["judged"]) == (0.0, 1, 1, 3)
    assert "precision 66.6% (20.7% to 93.8%, 2 of 3)" in report_text(report)


def excel(text: str) -> bytes:
    """Semicolons, the lines turned round, one of them left out, an empty one, a byte-order mark."""
    head, *rest = csv.reader(io.StringIO(text, newline=""))
    file = io.StringIO()
    csv.writer(file, delimiter=";").writerows([head, *reversed(rest[1:]), [""] * len(head)])
    return file.getvalue().encode("utf-8-sig")


def utf_16(text: str) -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter="\t").writerows(csv.reader(io.StringIO(text, newline="")))
    return file.getvalue().encode("utf-16")


@pytest.mark.parametrize(("as_written", "judged"), [(excel, 9), (utf_16, 10)])
def test_a_spreadsheets_file_is_read(runs: SpecRuns, as_written: Callable[[str], bytes], judged: int) -> None:
    runs.run(review("count = 10"))
    sheet = runs.directory / "out/sheet.csv"
    fill(sheet, lambda line: {"verdict": "WAHR"})
    sheet.write_bytes(as_written(sheet.read_text(encoding="utf-8")))
    kept = sheet.read_bytes()
    runs.run(review("count = 10"))
    assert figures(runs)["judged"] == judged and figures(runs)["precision"]["part"] == judged
    assert sheet.read_bytes() == kept  # what people filled in is never written again


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.replace(",,,", ",maybe,,", 1),
            "sheet.csv:2: verdict: 'maybe' is no verdict: write yes, no",
        ),
        (lambda t: t.replace("verdict", "opinion", 1), "sheet.csv:1: no column 'verdict'"),
        (lambda t: t.replace("r-", "", 1).replace(",,,", ",yes,,", 1), "sheet.csv:2: a verdict on no row"),
        (lambda t: "a,b\n1,2\n", "sheet.csv:1: no column 'row': this is not the sheet"),
        (lambda t: "", "sheet.csv:1: no column 'row'"),
        (
            lambda t: "\r\n".join([*t.split("\r\n")[:2], t.split("\r\n")[1]]).replace(",,,", ",yes,,", 1),
            "sheet.csv:3: judged otherwise on line 2",
        ),
    ],
)
def test_a_slip_is_told_with_file_and_line_before_anything_is_asked(
    runs: SpecRuns, change: Callable[[str], str], said: str
) -> None:
    runs.run(review("count = 3"))
    sheet = runs.directory / "out/sheet.csv"
    sheet.write_bytes(change(sheet.read_bytes().decode("utf-8-sig")).encode())
    kept = sheet.read_bytes()
    with pytest.raises(RunError, match=r".*") as failed:
        runs.run(review("count = 3"))
    assert said in str(failed.value)
    assert runs.rows() == [] and sheet.read_bytes() == kept


def test_letters_of_another_encoding_are_told(runs: SpecRuns) -> None:
    runs.run(review("count = 3"))
    sheet = runs.directory / "out/sheet.csv"
    sheet.write_bytes(sheet.read_bytes() + "r-x,Grüße\r\n".encode("cp1252"))
    with pytest.raises(RunError, match=r"sheet\.csv:5: not UTF-8; save it as 'CSV UTF-8'"):
        runs.run(review("count = 3"))


def test_below_the_floor_the_run_ends_and_selects_nothing(runs: SpecRuns) -> None:
    spec = review("count = 8, claim = good, least { precision = 75%, recall = 50% }")
    spec += "mixture m { seed = 1\n p = all }\n"
    spec = spec.replace("review", "chat { user = q, assistant = kind }\n review", 1)
    with pytest.raises(
        ReviewFailed, match="nobody has judged yet: write yes or no into the column 'verdict'"
    ):
        runs.run(spec)
    sheet = runs.directory / "out/sheet.csv"
    fill(sheet, lambda line: {"verdict": "no"})
    with pytest.raises(ReviewFailed, match=r"precision 0% of 75%, recall undefined of 50%") as failed:
        runs.run(spec)
    assert failed.value.exit_code == 1
    assert runs.store.sql("SELECT count(*) FROM selection") == [(0,)]
    plan = mixwright.plan(runs.directory / "spec.mix")
    assert "Below what is demanded: precision 0% of 75%" in report_html(run_facts(runs.store, plan, 2))
    fill(sheet, lambda line: {"verdict": "yes" if line["kind"] == "usual" else "no"})
    assert runs.run(spec).status == "done"
    assert figures(runs)["precision"]["value"] == figures(runs)["recall"]["value"] == 1.0


def test_a_part_of_the_sample_is_not_enough_unless_it_is_said_so(runs: SpecRuns) -> None:
    with pytest.raises(ReviewFailed):
        runs.run(review("count = 8, least { precision = 50% }"))
    sheet = runs.directory / "out/sheet.csv"
    first = lines(sheet)[0]["row"]
    fill(sheet, lambda line: {"verdict": "" if line["row"] == first else "yes"})
    with pytest.raises(ReviewFailed, match=r"judged 87\.5% of 100%; people judged 7 rows \(8 drawn\)"):
        runs.run(review("count = 8, least { precision = 50% }"))
    assert runs.run(review("count = 8, least { precision = 50%, judged = 80% }")).status == "done"


def test_a_verdict_is_on_the_text_that_was_shown(runs: SpecRuns) -> None:
    """The model says something else now: the row is the same, and what was judged is not."""
    spec = """
    source pool inline { rows = [{ q = "a" }, { q = "b" }] }
    template ask { user = "WORD {{ q }}" }
    pipeline p { from pool
      generate said { prompt = ask, model = teacher }
      review seen { of = said, out = "sheet.csv" } }
    """
    runs.run(spec.replace("WORD", "Say"))
    fill(runs.directory / "sheet.csv", lambda line: {"verdict": "yes"})
    runs.run(spec.replace("WORD", "Tell"))
    found = figures(runs)
    assert (found["judged"], found["stale"], found["gone"], found["precision"]) == (0, 2, 0, None)
    runs.run(spec.replace("WORD", "Say").replace(', { q = "b" }', ""))
    assert (figures(runs)["judged"], figures(runs)["gone"]) == (1, 1)
    assert len(runs.prompts) == 4


def test_what_was_filled_in_elsewhere_counts_and_new_rows_are_drawn(runs: SpecRuns) -> None:
    runs.run(review("count = 4"))
    sheet, elsewhere = runs.directory / "out/sheet.csv", runs.directory / "done.csv"
    fill(sheet, lambda line: {"verdict": "yes"}, to=elsewhere)
    runs.run(review('count = 6, filled = "done.csv"'))
    assert len(lines(sheet)) == 6 and figures(runs)["judged"] == 4
    assert figures(runs)["filled"] == "done.csv"


def test_what_people_say_is_told_everywhere(runs: SpecRuns) -> None:
    spec = TAGS.replace("LEAST", "").replace("review", "chat { user = q, assistant = q }\n review")
    spec += "mixture m { seed = 1\n p = all }\n"
    runs.run(spec)
    fill(runs.directory / "tags.csv", verdicts_on_tags)
    report = runs.run(spec)
    plan = mixwright.plan(runs.directory / "spec.mix")
    words = "people judged 3 rows (3 drawn): precision 66.6% (20.7% to 93.8%, 2 of 3)"
    assert words in report_text(report)
    assert f"review_seen: {words}" in rendered(status_of(runs.store, runs.store.last_run()))
    assert "20.7% to 93.8%, 2 of 3" in report_html(run_facts(runs.store, plan, 2))
    card = dataset_card(CardFacts("t", mixture_facts(runs.store, plan, 2, "m"), "d"))
    assert "| `p.review_seen` | 3 | precision | 66.6% | 20.7% to 93.8%, 2 of 3 |" in card
    [(row_id,)] = runs.store.sql("SELECT row_id FROM row_outcome WHERE run_id = 2 AND columns LIKE '%@home%'")
    [told] = [score for score in row_facts(runs.store, row_id.hex()).scores if score.node == "p.review_seen"]
    assert told.score == 0.75
    assert [one["verdicts"] for one in told.evidence["people"]] == [[True, True], [False, True]]


def test_what_people_found_bad_can_be_left_out(runs: SpecRuns) -> None:
    spec = review("count = 80").replace("} }\n", "}\n filter { where = coalesce(seen, 1) > 0.5 } }\n")
    runs.run(spec)
    fill(runs.directory / "out/sheet.csv", lambda line: {"verdict": "no" if line["kind"] == "rare" else ""})
    runs.run(spec)
    assert Counter(status for status, _, _ in runs.rows()) == {"kept": 60, "dropped": 20}


def test_a_plan_writes_no_sheet(runs: SpecRuns) -> None:
    (runs.directory / "spec.mix").write_text(f"edition 2026\n{review('count = 3')}")
    plan = mixwright.plan(runs.directory / "spec.mix")
    rehearsed(plan, runs.store, {"p": 80})
    assert not (runs.directory / "out/sheet.csv").exists()
