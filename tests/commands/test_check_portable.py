"""`check --portable` finds on every machine the same: what is not here is no mistake of the spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.checks import safety

SPEC = """edition 2026

model teacher transformers { path = "models/none", license = "apache-2.0" }
source rows jsonl { path = "data/rows.jsonl", license = "apache-2.0" }
template ask { user = "{{ q }}" }

pipeline p {
  from rows
  generate a { prompt = ask, model = teacher }
  chat { user = q, assistant = a }
}
mixture m { seed = 1, p = all }
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.jsonl").write_text('{"q": "1 + 1?"}\n')
    (tmp_path / "s.mix").write_text(SPEC)
    monkeypatch.setattr(safety, "missing_modules", lambda modules: modules)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "s.mix"


def codes(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    main(["check", "s.mix", "--format", "concise", *options])
    return [
        line.split("[")[1].split("]")[0] for line in capsys.readouterr().out.splitlines() if "[MIX" in line
    ]


def test_packages_models_and_pinned_data_may_be_elsewhere(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "s.mix"]) == 0
    (spec.parent / "data/rows.jsonl").unlink()
    capsys.readouterr()
    assert sorted(codes(capsys)) == ["MIX202", "MIX213", "MIX908"]
    assert codes(capsys, "--portable") == []
    assert main(["check", "s.mix", "--portable", "--deny-warnings"]) == 0


def test_a_file_that_no_lock_pins_must_be_there(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spec.parent / "data/rows.jsonl").unlink()
    assert codes(capsys, "--portable") == ["MIX202"]


def test_what_holds_answers_to_a_schema_is_looked_for_at_the_schema(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = 'model = teacher, schema = { type = "object" }'
    spec.write_text(spec.read_text().replace("model = teacher", schema))
    main(["check", "s.mix", "--format", "concise"])
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "jsonschema_rs" in line]
    assert told.startswith("s.mix:9:") and "`schema` needs a package that is not installed" in told
    assert "MIX908" not in codes(capsys, "--portable")


def test_mistakes_of_the_spec_are_found_all_the_same(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "s.mix"]) == 0
    spec.write_text(SPEC.replace("{{ q }}", "{{ qq }}"))
    capsys.readouterr()
    assert codes(capsys, "--portable") == ["MIX303"]
