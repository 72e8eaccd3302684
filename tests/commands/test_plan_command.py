"""`mixwright plan`: the table, plan.json, the comparison with the store, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright.compiling import compiled
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.calls.keys import call_key, sampling_json
from mixwright_runtime.store.records import CallRecord, OutcomeRecord, TallyRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import canonical_json

SPEC = """edition 2026

param quota { type = count, default = 3 }

model teacher openai { base_url = "http://localhost:1/v1", model = "m", price_in = $1, price_out = $2 }

source words inline {
  rows = [{ word = "ant" }, { word = "bee" }, { word = "cat" }, { word = "dog" }]
}

template ask { user = "Define {{ word }}." }
template rate { user = "Rate: {{ answer }}" }

pipeline answers {
  from words
  generate answer { prompt = ask, model = teacher, samples = 2, max_tokens = 100 }
  generate rating { prompt = rate, model = teacher, max_tokens = 10 }
  verify agreement { response = rating }
  chat { user = word, assistant = answer }
}

mixture all_words {
  seed = 1
  answers = quota
}

variant few of all_words { set { answers = 1 } }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "words.mix"
    path.write_text(SPEC)
    (tmp_path / ".mixwright").mkdir()
    return path


def plan_of(spec: Path, *params: str) -> Plan:
    result = compiled(spec, params)
    assert result is not None
    return result.plan


def test_the_table(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(spec)]) == 0
    shown = capsys.readouterr().out.replace(str(spec.parent) + "/", "")
    assert shown == (
        "words.mix, edition 2026\n"
        "params: quota = 3\n"
        "\n"
        "pipeline answers\n"
        "                    makes           rows in  rows out  requests  prompt tokens  output tokens  recorded\n"
        "  from words        word: text            4         3\n"
        "  generate answer   answer: text          3         6         6             40            600  none\n"
        "  generate rating   rating: text          6         6         6            633             60  none\n"
        "  verify agreement                        6         3\n"
        "  chat              messages: chat        3         3\n"
        "\n"
        "mixture all_words   (seed 1, shortfall error)\n"
        "           quota  expected  takes\n"
        "  answers      3         3      3\n"
        "\n"
        "in all: 12 requests, about 673 prompt and 660 output tokens, $0.0020\n"
        "\n"
        "store: nothing in .mixwright yet\n"
        "wrote .mixwright/plan.json\n"
    )


def test_several_addresses_of_a_model_are_shown(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SPEC.replace(
        '"http://localhost:1/v1"', '["http://one/v1?api-version=7", "http://two/v1", "http://three/v1"]'
    )
    spec.write_text(text)
    assert main(["plan", str(spec)]) == 0
    shown = capsys.readouterr().out
    assert "\nmodel teacher: 3 addresses: http://one/v1, http://two/v1, http://three/v1\n" in shown


def test_the_plan_is_written_where_it_is_asked_for(spec: Path, tmp_path: Path) -> None:
    assert main(["plan", str(spec), "-p", "quota=2"]) == 0
    assert plan_from_json((tmp_path / ".mixwright/plan.json").read_text()).params == {"quota": 2}
    assert main(["plan", str(spec), "--out", str(tmp_path / "deep/p.json")]) == 0
    assert plan_from_json((tmp_path / "deep/p.json").read_text()).params == {"quota": 3}


def test_json_holds_the_plan_and_the_comparison(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(spec), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["format_version"] == "1.1"
    assert report["plan"] == json.loads((spec.parent / ".mixwright/plan.json").read_text())
    assert report["estimated_cost"] == pytest.approx((673 * 1 + 660 * 2) / 1e6)
    assert (report["changes"], report["compared_with_run"]) == ([], None)


def test_a_variant_is_planned_in_the_place_of_its_mixture(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(spec), "--variant", "few"]) == 0
    assert "variant few of all_words   (seed 1, shortfall error)" in capsys.readouterr().out
    assert list(plan_from_json((spec.parent / ".mixwright/plan.json").read_text()).mixtures) == ["few"]


@pytest.mark.parametrize(
    ("kind", "start"), [("mermaid", "---\ntitle: "), ("dot", "digraph plan {\n"), ("svg", "<svg ")]
)
def test_graphs(spec: Path, capsys: pytest.CaptureFixture[str], kind: str, start: str) -> None:
    assert main(["plan", str(spec), "--graph", kind]) == 0
    assert capsys.readouterr().out.startswith(start)
    assert not (spec.parent / ".mixwright/plan.json").exists()


def test_a_spec_with_errors_has_no_plan(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("{{ word }}", "{{ wrod }}"))
    assert main(["plan", str(spec)]) == 1
    assert "did you mean `word`?" in capsys.readouterr().err
    assert not (spec.parent / ".mixwright/plan.json").exists()


def test_misuse(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(spec), "-p", "quota"]) == 2
    assert main(["plan", str(spec.parent / "nothing.mix")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "error: -p takes NAME=VALUE, here 'quota'"
    assert errors[1].endswith("nothing.mix cannot be read: No such file or directory")


def test_a_place_that_cannot_be_written_is_named(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spec.parent / "file").write_text("")
    assert main(["plan", str(spec), "--out", str(spec.parent / "file/plan.json")]) == 2
    assert "cannot be written: File exists; '--out FILE' puts it elsewhere" in capsys.readouterr().err


def answer_key(plan: Plan, word: str, sample: int) -> bytes:
    sampling = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 100, "stop": None, "schema": None}
    return call_key(
        plan.models["teacher"].identity,
        canonical_json([{"role": "user", "content": f"Define {word}."}]),
        sampling_json(sampling),
        replica=0,
        sample=sample,
        attempt=0,
    )


def record_run(spec: Path, words: tuple[str, ...]) -> None:
    """A run that asked both samples of each word, rated nothing, and kept two rows."""
    plan = plan_of(spec)
    with Store.open(spec.parent / ".mixwright") as store:
        run_id = store.begin_run(plan, "run words.mix")
        for word in words:
            for sample in range(2):
                store.put_call(
                    CallRecord(
                        key=answer_key(plan, word, sample),
                        run_id=run_id,
                        node="answers.generate_answer",
                        model="teacher",
                        identity=plan.models["teacher"].identity,
                        request="{}",
                        text=f"A {word} is an animal.",
                        reasoning="",
                        finish="stop",
                        status="ok",
                        prompt_tokens=8,
                        output_tokens=20,
                    )
                )
        for position in range(2):
            store.put_outcome(
                OutcomeRecord(
                    run_id=run_id,
                    pipeline="answers",
                    row_id=bytes([position] * 16),
                    origin_id=bytes([position] * 16),
                    source="words",
                    source_ref="inline:1",
                    position=position,
                    replica=0,
                    candidate=0,
                    parents=(),
                    status="kept",
                )
            )
        store.put_tally(
            TallyRecord(run_id, "answers", "verify_agreement", 2, rows_in=8, rows_out=2, dropped=6)
        )
        store.end_run(run_id, "done", {})


def lines_of(spec: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert main(["plan", str(spec), *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def line(lines: list[str], start: str) -> str:
    return next(one for one in lines if one.strip().startswith(start))


def test_recorded_answers_are_looked_up_by_key(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(spec, ("ant", "bee", "cat", "dog"))
    lines = lines_of(spec, capsys, "-p", "quota=1")
    # One of four ratings survived in the run, so the four words' eight candidates are needed for one row.
    assert line(lines, "from words").split() == ["from", "words", "word:", "text", "4", "2"]
    assert line(lines, "generate answer").endswith("4 of 4")
    assert line(lines, "generate rating").endswith("0 of 4")
    assert line(lines, "pipeline answers").endswith("(2 rows of it kept by run 1)")
    assert "nothing changed since run 1" not in lines


def test_a_picture_has_the_yields_that_the_last_run_measured(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_run(spec, ("ant",))
    lines = lines_of(spec, capsys, "--graph", "dot", "-p", "quota=1")
    # One of four ratings survived in the run, and each word has two.
    texts = [line.partition("label=")[2] for line in lines if "label=" in line and "->" in line]
    assert texts == ['"2 rows"];', '"4 rows, ×2"];', '"4 rows"];', '"1 row, 25%"];', '"1 row"];']
    assert any("by the yields of run 1" in line for line in lines)


def test_a_budget_is_held_against_what_the_last_run_measured(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(SPEC.replace("answers = quota", "answers = quota\n  budget { requests = 12, cost = $9 }"))
    assert "budget 12 requests, $9)" in line(lines_of(spec, capsys), "mixture all_words")
    # Half of the rows that were taken to survive did so.
    record_run(spec, ("ant", "bee", "cat", "dog"))
    told = lines_of(spec, capsys)
    assert any(each.startswith("store: 1 run in ") for each in told)
    shown = line(told, "mixture all_words")
    assert "budget 12 requests (16 requests expected), $9)" in shown


def test_an_edited_prompt_finds_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(spec, ("ant", "bee", "cat", "dog"))
    spec.write_text(SPEC.replace("Define {{ word }}.", "Explain {{ word }}."))
    lines = lines_of(spec, capsys)
    assert line(lines, "generate answer").endswith("0 of 8")
    assert lines[-4:-1] == [
        "changed since run 1:",
        "  ~ pipeline.answers.generate_answer (row: template ask.user)",
        "  rows of pipeline answers are made again from step 'generate_answer' on",
    ]
    assert not line(lines, "pipeline answers").endswith("kept by run 1)")


def test_a_branch_that_renders_the_same_text_finds_everything(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_run(spec, ("ant", "bee", "cat", "dog"))
    spec.write_text(SPEC.replace("Define", "{% if word == 'x' %}Explain{% else %}Define{% endif %}"))
    assert line(lines_of(spec, capsys), "generate answer").endswith("8 of 8")


def test_answers_of_some_rows(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(spec, ("ant", "bee"))
    lines = lines_of(spec, capsys)
    assert line(lines, "generate answer").endswith("4 of 8")


def test_a_store_that_a_run_holds_is_not_waited_for(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom pathlib import Path\nfrom mixwright_runtime.store.store import Store\n"
        f"store = Store.open(Path({str(spec.parent / '.mixwright')!r}))\n"
        "print('held', flush=True)\nsys.stdin.read()\nstore.close()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lines = lines_of(spec, capsys)
    finally:
        holder.communicate("")
    assert line(lines, "the store was not read:")


def test_missing_packages_are_named_with_their_command(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixwright.extras.find_spec", lambda name: None if name == "aiohttp" else object())
    lines = lines_of(spec, capsys)
    assert "missing: model 'teacher' needs aiohttp: pip install 'mixwright[openai]'" in lines


def test_a_run_refuses_what_is_missing(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixwright.extras import require_extras
    from mixwright_runtime.errors import MissingExtra

    monkeypatch.setattr("mixwright.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'mixwright\[openai\]'"):
        require_extras(plan_of(spec))


def test_a_project_that_moved_keeps_what_its_runs_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / ".mixwright").mkdir(parents=True)
    text = (
        "edition 2026\n\n"
        'source web inline { rows = [{ q = "a" }, { q = "b" }, { q = "c" }, { q = "d" }] }\n'
        'pipeline qa {\n  from web\n  filter { where = q == "a" }\n  chat { user = q, assistant = q }\n}\n'
        "mixture small {\n  seed = 7\n  qa = 1\n}\n"
    )
    (old / "demo.mix").write_text(text)
    assert main(["run", str(old / "demo.mix")]) == 0
    assert main(["plan", str(old / "demo.mix")]) == 0
    before = capsys.readouterr().out.partition("pipeline qa")[2]
    old.rename(new)
    assert main(["plan", str(new / "demo.mix")]) == 0
    after = capsys.readouterr().out.partition("pipeline qa")[2]
    assert "kept by run 1" in after and "nothing changed since run 1" in after
    assert after.replace(str(new), str(old)) == before


MOVED = SPEC.replace("  chat {", '  filter { where = word != "ant" }\n  chat {')


def emitted(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plan", *arguments]) == 0
    return capsys.readouterr().out


def test_emit_program_shows_what_is_bound(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = emitted(capsys, str(spec), "--emit", "program", "-p", "quota=2").split("\n")
    assert lines[:2] == ["edition 2026", "param quota = 2"]
    rows = "rows = [{ word = ant }, { word = bee }, { word = cat }, { word = d…"
    assert lines[3] == f"source words inline  {rows}; gives word: text"
    assert "  verify agreement  response = rating; reads rating" in lines
    mixture = next(
        at for at, line in enumerate(lines) if line.startswith("mixture all_words  seed = 1; gives ")
    )
    assert lines[mixture + 1] == "  answers = 2"
    document = json.loads(emitted(capsys, str(spec), "--emit", "program", "--json"))
    assert document["pipelines"]["answers"]["steps"][2]["reads"] == ["rating"]
    assert document["mixtures"]["few"]["variant_of"] == "all_words"


def test_emit_logical_shows_what_the_passes_leave(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(MOVED)
    shown = emitted(capsys, str(spec), "--emit", "logical")
    assert (
        shown
        == """pipeline answers
  scan     words             gives word
  apply    filter            reads word; moved here by filters_first
  ask      generate answer   reads word; asks teacher 2 times; makes answer
  ask      generate rating   reads answer; asks teacher; makes rating
  measure  verify agreement  reads rating; picks one of 2 of generate_answer
  apply    chat              reads answer, word; makes messages

mixture all_words
  mix  answers  3
"""
    )
    document = json.loads(emitted(capsys, str(spec), "--emit", "logical", "--json"))
    assert [step["id"] for step in document["flows"]["answers"]["steps"]][:2] == ["filter", "generate_answer"]
    assert document["flows"]["answers"]["groups"][0]["closed_by"] == "verify_agreement"


def test_emit_plan_is_what_is_run_and_nothing_is_written(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(MOVED)
    assert "  moved up by filters_first: filter" in emitted(capsys, str(spec), "--emit", "plan")
    assert plan_from_json(emitted(capsys, str(spec), "--emit", "plan", "--json")) == plan_of(spec)
    assert list((spec.parent / ".mixwright").iterdir()) == []


def test_emit_takes_no_place_to_write_to(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(spec), "--emit", "plan", "--out", "p.json"]) == 2
    assert "--emit writes no plan" in capsys.readouterr().err
