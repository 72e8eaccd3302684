"""`mixwright lock`: what it writes, what it verifies, and that a stale lock never stands in its own way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.bind.lock import read_lock

SPEC = """edition 2026
param data { type = path, default = "data" }
source web jsonl { path = data + "/web.jsonl", columns = { body = text }, where = len(body) > 1, license = "mit" }
source seeds inline { rows = [{ topic = "bees" }] }
pipeline rows { from web }
pipeline topics { from seeds }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/web.jsonl").write_text('{"text": "abc", "id": 1}\n{"text": "a", "id": 2}\n')
    path = tmp_path / "web.mix"
    path.write_text(SPEC)
    return path


def test_a_lock_holds_the_file_and_counts_what_is_taken_of_it(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", str(spec)]) == 0
    lock = read_lock(spec.with_suffix(".lock"))
    assert list(lock.sources) == ["web"]
    web = lock.sources["web"]
    assert (web.rows, web.selected, web.columns, web.license) == (2, 1, {"text": "text", "id": "int"}, "mit")
    assert web.characters == {"text": 2.0}
    printed = capsys.readouterr()
    assert "source  web  1 of 2 rows  2 columns  mit" in printed.out
    assert printed.err == "", "warnings are for check and plan: a spec that is being locked is told to lock"


TEN = """edition 2026
source few inline {{ rows = [{rows}]{inline}, license = "mit" }}
source web jsonl {{ path = "ten.jsonl"{taken} }}
pipeline rows {{ from web
  chat {{ user = q, assistant = q }} }}
pipeline more {{ from few
  chat {{ user = q, assistant = q }} }}
mixture main {{ seed = 1
  rows = all
  more = all
}}
"""


def ten(directory: Path, taken: str = "", inline: str = "") -> Path:
    rows = [{"q": f"question {n}", "n": n} for n in range(10)]
    (directory / "ten.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = directory / "ten.mix"
    written = ", ".join(f'{{ q = "few {n}", n = {n} }}' for n in range(10))
    spec.write_text(TEN.format(rows=written, taken=taken, inline=inline))
    return spec


@pytest.mark.parametrize(
    ("taken", "rows"),
    [
        ("", 10),
        (", where = n < 3", 3),
        (", limit = 4", 4),
        (", where = n > 6, limit = 9", 3),
        (", columns = { q = q, number = n }, where = number < 2", 2),
        (", where = n / 2 < 1.0", 2),
    ],
)
def test_the_plan_promises_the_rows_that_the_run_finds(
    tmp_path: Path, taken: str, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ten(tmp_path, taken, taken.replace("number = n", "n = n").replace("number <", "n <"))
    assert main(["lock", str(spec)]) == 0
    assert main(["check", str(spec)]) == 0
    assert main(["lock", "--check", str(spec)]) == 0
    capsys.readouterr()
    assert main(["plan", str(spec), "--json"]) == 0
    estimates = {e["node"]: e["rows_in"] for e in json.loads(capsys.readouterr().out)["plan"]["estimates"]}
    assert (estimates["rows.from"], estimates["more.from"]) == (rows, rows)
    assert main(["run", str(spec), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["pipelines"]
    assert [found[name]["steps"]["chat"]["in"] for name in ("rows", "more")] == [rows, rows]


def test_rows_that_nobody_counted_are_not_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ten(tmp_path, ", where = n < 3", ", where = n < 3")
    assert main(["plan", str(spec), "--json"]) == 0
    estimates = {e["node"]: e["rows_in"] for e in json.loads(capsys.readouterr().out)["plan"]["estimates"]}
    assert (estimates["rows.from"], estimates["more.from"]) == (None, None)


@pytest.mark.parametrize("taken", [", where = n < 5", ", limit = 5", ", columns = { q = q }", ""])
def test_another_selection_than_the_locked_one_is_a_finding(
    tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ten(tmp_path, ", where = n < 3")
    main(["lock", str(spec)])
    ten(tmp_path, taken)
    capsys.readouterr()
    assert main(["check", str(spec)]) == 0
    assert "MIX805" in capsys.readouterr().out
    assert main(["lock", "--check", str(spec)]) == 1
    assert "selection" in capsys.readouterr().out
    main(["lock", str(spec)])
    capsys.readouterr()
    assert main(["check", str(spec)]) == 0
    assert "MIX805" not in capsys.readouterr().out


def test_check_says_what_changed_and_writes_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lock", str(spec)])
    before = spec.with_suffix(".lock").read_bytes()
    assert main(["lock", "--check", str(spec)]) == 0
    with (spec.parent / "data/web.jsonl").open("a") as file:
        file.write('{"text": "new", "id": 3, "lang": "en"}\n')
    capsys.readouterr()
    assert main(["lock", "--check", str(spec)]) == 1
    assert (
        capsys.readouterr().out.splitlines()[0]
        == "~ source web: digest, rows 2 -> 3, columns (+lang), selected 1 -> 2"
    )
    assert spec.with_suffix(".lock").read_bytes() == before


def test_locking_again_is_the_same_text(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lock", str(spec)])
    before = spec.with_suffix(".lock").read_bytes()
    main(["lock", str(spec)])
    assert spec.with_suffix(".lock").read_bytes() == before
    assert capsys.readouterr().out.endswith("as it was\n")


def test_a_lock_whose_columns_are_gone_can_be_made_anew(spec: Path) -> None:
    main(["lock", str(spec)])
    (spec.parent / "data/web.jsonl").write_text('{"words": "abc"}\n')
    spec.write_text(SPEC.replace("body = text", "body = words"))
    assert main(["check", str(spec)]) == 1
    assert main(["lock", str(spec)]) == 0
    assert main(["check", str(spec)]) == 0


def test_a_damaged_lock_is_named_and_replaced(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.with_suffix(".lock").write_text("<<<<<<< ours")
    assert main(["plan", str(spec)]) == 2
    assert "web.lock is damaged; 'mixwright lock' writes it anew" in capsys.readouterr().err
    assert main(["lock", "--check", str(spec)]) == 1
    assert main(["lock", str(spec)]) == 0
    assert json.loads(spec.with_suffix(".lock").read_text())["format_version"] == "1.2"


def test_a_folder_given_with_p_leaves_the_lock_portable(spec: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "web.jsonl").write_bytes((tmp_path / "data/web.jsonl").read_bytes())
    texts = []
    for folder in (tmp_path / "data", elsewhere):
        assert main(["lock", str(spec), "-p", f"data={folder}"]) == 0
        texts.append(spec.with_suffix(".lock").read_text())
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]


def test_a_missing_source_stops_with_its_name(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spec.parent / "data/web.jsonl").unlink()
    assert main(["lock", str(spec)]) != 0
    assert "web" in capsys.readouterr().err
    assert not spec.with_suffix(".lock").exists()


def test_errors_in_the_spec_are_shown_and_nothing_is_locked(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(SPEC + "pipeline broken { from nowhere }\n")
    assert main(["lock", str(spec)]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not spec.with_suffix(".lock").exists()


def test_a_hub_model_is_pinned_to_the_commit_in_the_cache(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixwright.compiling import compiled

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub/models--org--m"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text(commit)
    (model / f"snapshots/{commit}").mkdir(parents=True)
    (model / f"snapshots/{commit}/config.json").write_text("{}")
    (model / f"snapshots/{commit}/model.safetensors").write_bytes(b"weights")
    spec.write_text(
        SPEC
        + 'model local vllm { repo = "org/m" }\ntemplate ask { user = "{{ body }}" }\n'
        + "pipeline asked {\n  from web\n  generate answer { prompt = ask, model = local }\n}\n"
    )
    assert main(["lock", str(spec)]) == 0
    found = read_lock(spec.with_suffix(".lock")).models["local"]
    assert (found.revision, found.definition, found.size_bytes) == (commit, "org/m", 9)
    result = compiled(spec)
    assert result is not None
    assert result.plan.models["local"].attributes["revision"] == commit
    assert result.plan.models["local"].identity == found.identity


DRIFTED = """edition 2026
source web jsonl { path = "ten.jsonl", where = n < 8, limit = 5 }
source counted sql { inputs = { ten = "ten.jsonl" }, sql = "SELECT q, n FROM ten WHERE n < 4" }
model teacher openai { base_url = "http://localhost:1/v1", model = "m" }
template ask { user = "{{ q }}" }
pipeline rows {
  from web
  generate a { prompt = ask, model = teacher }
}
pipeline more { from counted }
"""


@pytest.fixture
def drifting(tmp_path: Path) -> Path:
    spec = ten(tmp_path)
    spec.write_text(DRIFTED)
    assert main(["lock", str(spec)]) == 0
    assert main(["lock", "--check", str(spec)]) == 0
    return spec


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("n < 8", "n < 7", "2:48: error[MIX807]: `where` of source `web` is not as it was locked"),
        ("limit = 5", "limit = 6", "2:63: error[MIX807]: `limit` of source `web` is not as it was locked"),
        (", limit = 5", "", "2:8: error[MIX807]: `limit` gone"),
        ("n < 4", "n < 5", "3:60: error[MIX807]: `sql` of source `counted` is not as it was locked"),
        ('model = "m"', 'model = "k"', "4:68: error[MIX807]: model `teacher` is `k`, and was locked as `m`"),
        ("source web", "source net", "2:8: error[MIX807]: source `net` is not locked"),
        ("http://localhost:1/v1", "http://localhost:2/v1", ""),
    ],
)
def test_what_drifted_has_its_line_and_is_not_run_locked(
    drifting: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, place: str
) -> None:
    text = DRIFTED.replace(old, new)
    drifting.write_text(text.replace("from web", "from net") if "net" in new else text)
    capsys.readouterr()
    assert main(["lock", "--check", "--format", "concise", str(drifting)]) == int(bool(place))
    shown = capsys.readouterr().out
    expected = place.replace("`limit` gone", "`limit` of source `web` is not as it was locked")
    assert shown.splitlines()[:1] == ([f"{drifting}:{expected}"] if place else [])
    if place:
        assert main(["run", "--locked", str(drifting)]) == 1
        assert "MIX807" in capsys.readouterr().err
        assert not (drifting.parent / ".mixwright").exists(), "nothing was run"


def test_a_file_that_is_another_one_is_told_at_its_path(
    drifting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (drifting.parent / "ten.jsonl").open("a") as file:
        file.write(json.dumps({"q": "more", "n": 10, "new": 1}) + "\n")
    capsys.readouterr()
    assert main(["lock", "--check", "--format", "concise", str(drifting)]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(
        f"{drifting}:2:27: error[MIX807]: what source `web` reads is not what was locked: digest"
    )
    assert "rows 10 -> 11" in first and "+new" in first


def test_a_lock_of_an_earlier_version_tells_less(drifting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = drifting.with_suffix(".lock")
    document = json.loads(lock.read_text())
    for source in document["sources"].values():
        del source["parts"]
    lock.write_text(json.dumps({**document, "format_version": "1.1"}))
    assert main(["lock", "--check", str(drifting)]) == 0
    drifting.write_text(DRIFTED.replace("n < 8", "n < 7"))
    capsys.readouterr()
    assert main(["lock", "--check", str(drifting)]) == 1
    assert "`where`, `limit`, `columns` were others" in capsys.readouterr().out


def test_run_locked_wants_a_lock_and_runs_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ten(tmp_path)
    assert main(["run", "--locked", str(spec)]) == 1
    assert f"`mixwright lock {spec}`" in capsys.readouterr().err
    assert main(["lock", str(spec)]) == 0
    assert main(["run", "--locked", str(spec)]) == 0
    assert main(["plan", str(spec), "--out", str(tmp_path / "plan.json")]) == 0
    assert main(["run", "--locked", str(tmp_path / "plan.json")]) == 2
