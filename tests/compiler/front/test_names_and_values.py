"""Imports, parameters, constants with units, variants: what they mean, and what is said when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from front_specs import compiled, expected, found

from mixwright_compiler.catalog.catalog import builtin_catalog
from mixwright_dsl.render import FORMATS, render

PEOPLE = 'source people inline { rows = [{ name = "Ada", age = 36 }, { name = "Alan", age = 41 }] }\n'
MAIN = "mixture main {\n  seed = 1\n  people = all\n}\n"


def test_import_qualifies_names_and_keeps_only_what_is_reached(tmp_path: Path) -> None:
    lib = "edition 2026\n" + PEOPLE + "source other inline { rows = [{ x = 1 }] }\nlet { few = 1 }\n"
    text = (
        'edition 2026\nimport "lib/lib.mix" as lib\nmixture main {\n  seed = 1\n  lib.people = lib.few\n}\n'
    )
    program = compiled(tmp_path, text, files={"lib/lib.mix": lib}).program
    assert program is not None
    assert list(program.sources) == ["lib.people"]
    assert [(c.rows, c.quota) for c in program.mixtures["main"].components] == [("lib.people", 1)]


def test_path_in_an_import_starts_at_its_own_directory(tmp_path: Path) -> None:
    lib = 'edition 2026\nsource s jsonl { path = "rows.jsonl" }\n'
    text = 'edition 2026\nimport "lib/lib.mix" as lib\npipeline p { from lib.s }\n'
    program = compiled(tmp_path, text, files={"lib/lib.mix": lib, "lib/rows.jsonl": ""}).program
    assert program is not None
    assert program.sources["lib.s"].attributes["path"].value == "lib/rows.jsonl"


def test_import_circle_is_printed(tmp_path: Path) -> None:
    result = compiled(
        tmp_path,
        'edition 2026\nimport "a.mix" as a\n',
        files={"a.mix": 'edition 2026\nimport "spec.mix" as back\n'},
    )
    assert [(d.code, d.message) for d in result.errors] == [
        ("MIX108", "imports go in a circle: spec.mix → a.mix → spec.mix")
    ]


def test_import_from_outside_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.mix").write_text("edition 2026\n")
    result = compiled(tmp_path / "project", 'edition 2026\nimport "../outside.mix" as lib\n')
    assert [d.code for d in result.errors] == ["MIX108"]
    assert "outside the project" in result.errors[0].message


def test_names_of_a_broken_import_are_not_reported_again(tmp_path: Path) -> None:
    text = 'edition 2026\nimport "gone.mix" as lib\npipeline p {\n  from lib.rows\n  filter { where = x > lib.y }\n}\n'
    assert [d.code for d in compiled(tmp_path, text).errors] == ["MIX108"]


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [
        ("float", "0.01", 0.01),
        ("count", "2k", 2000),
        ("share", "30%", 0.3),
        ("duration", "2h", 7200.0),
        ("bytes", "1KiB", 1024),
        ("int", "-3", -3),
        ("bool", "true", True),
        ("text", "30%", "30%"),
    ],
)
def test_given_parameter_takes_the_type_of_its_declaration(
    type: str, given: str, value: object, tmp_path: Path
) -> None:
    program = compiled(tmp_path, f"edition 2026\nparam x {{ type = {type} }}\n", params={"x": given}).program
    assert program is not None and program.params["x"].value == value


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n": "many"}, "parameter `n` takes a count, here `many`"),
        ({"n": "0"}, "parameter `n` is at least 1, here 0"),
        ({"m": "3", "n": "1"}, "no parameter `m`"),
        ({"n": "10s"}, "`n` takes a count, here a duration"),
    ],
)
def test_wrong_parameter_is_shown_on_the_command_line(
    params: dict[str, str], message: str, tmp_path: Path
) -> None:
    result = compiled(tmp_path, "edition 2026\nparam n { type = count, min = 1 }\n", params=params)
    assert [d.message for d in result.errors] == [message]
    assert result.errors[0].primary.span.source.name == "command line"


def test_path_given_by_the_user_may_leave_the_project(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    text = 'edition 2026\nparam data { type = path }\nsource s jsonl { path = data + "/rows.jsonl" }\n'
    result = compiled(tmp_path / "project", text, params={"data": str(tmp_path)})
    assert result.program is not None
    assert result.program.sources["s"].attributes["path"].value == f"{tmp_path}/rows.jsonl"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("149_960 * 0.01", 1500),
        ("50% * 10k", 5000),
        ("10GB / 2GB", 5),
        ("1k + 24", 1024),
        ("total - 10", 90),
        ("if_all.small", 3),
    ],
)
def test_constants_fold_with_their_units(expression: str, value: int, tmp_path: Path) -> None:
    text = (
        "edition 2026\nlet { total = 100, if_all = { small = 3 } }\n"
        + PEOPLE
        + f"pipeline p {{ from people {{ limit = {expression} }} }}\n"
    )
    program = compiled(tmp_path, text).program
    assert program is not None
    assert program.pipelines["p"].start.attributes["limit"].value == value


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("10GB", "MIX125"),
        ("30%", "MIX125"),
        ("1k + 10s", "MIX125"),
        ("10s * 10s", "MIX125"),
        ("1 / 0", "MIX119"),
        ("2.5", "MIX107"),
        ("-1", "MIX117"),
        ('"10"', "MIX107"),
        ("nothing", "MIX119"),
        ("totl", "MIX101"),
        ("round(3)", "MIX119"),
        ("true and 3", "MIX123"),
    ],
)
def test_wrong_constant_is_one_finding(expression: str, code: str, tmp_path: Path) -> None:
    text = (
        "edition 2026\nlet { total = 100 }\n"
        + PEOPLE
        + f"pipeline p {{ from people {{ limit = {expression} }} }}\n"
    )
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == [code]


def test_constant_circle_is_reported_once(tmp_path: Path) -> None:
    text = "edition 2026\nlet {\n  a = b + 1\n  b = a  # error[MIX103]\n  c = a\n}\n"
    assert found(compiled(tmp_path, text)) == expected(text)


def test_variant_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    text = (
        "edition 2026\n"
        + PEOPLE
        + 'source extra inline { rows = [{ name = "Kurt", age = 5 }] }\n'
        + "mixture main {\n  seed = 1\n  group a { people = 2 }\n  group b { extra = all }\n}\n"
        + "variant less of main { without = [b] }\n"
        + "variant other of less { set { seed = 7, a.people = 1, budget.requests = 5 } }\n"
    )
    program = compiled(tmp_path, text).program
    assert program is not None
    mixtures = program.mixtures
    assert [c.rows for c in mixtures["less"].components] == ["people"]
    assert mixtures["less"].attributes["seed"].value == 1
    assert [(c.group, c.quota) for c in mixtures["other"].components] == [("a", 1)]
    assert mixtures["other"].attributes["seed"].value == 7
    assert mixtures["other"].attributes["budget"].value["requests"].value == 5
    assert {m.variant_of for m in mixtures.values()} == {"", "main"}
    assert [(c.rows, c.quota) for c in mixtures["main"].components] == [("people", 2), ("extra", "all")]


def test_mistake_in_a_base_is_not_repeated_for_its_variants(tmp_path: Path) -> None:
    text = (
        "edition 2026\n"
        + PEOPLE
        + "mixture main {\n  seed = 1\n  peple = 2  # error[MIX101]\n  people = 1\n}\n"
        + "variant a of main { set { seed = 2 } }\nvariant b of main { set { seed = 3 } }\n"
    )
    assert found(compiled(tmp_path, text)) == expected(text)


def test_chosen_variant_takes_the_place_of_its_mixture(tmp_path: Path) -> None:
    text = (
        "edition 2026\n"
        + PEOPLE
        + "pipeline chats { from people, chat { user = name, assistant = name } }\n"
        + MAIN.replace("people", "chats")
        + 'variant one of main { set { chats = 1 } }\nexport out of main { format = parquet, path = "out" }\n'
    )
    program = compiled(tmp_path, text, variant="one").program
    assert program is not None
    assert list(program.mixtures) == ["one"]
    assert program.exports["out"].mixture == "one"
    wrong = compiled(tmp_path, text, variant="ones")
    assert [(d.code, d.hint) for d in wrong.errors] == [("MIX110", "did you mean `one`?")]


@pytest.mark.parametrize(
    ("quota", "code"),
    [
        ("0.5", "MIX125"),
        ("150%", "MIX117"),
        ("-5", "MIX117"),
        ('"ten"', "MIX107"),
        ("al", "MIX118"),
        ("take(1, balnce = name)", "MIX122"),
        ("take(1, balance = nmae)", "MIX401"),
        ("take(1, cap = { by = name })", "MIX122"),
        ("take(balance = name)", "MIX122"),
        ("most(5)", "MIX122"),
        ("weight(0)", "MIX117"),
        ("weight(1)", "MIX603"),
        ("3", "MIX604"),
        ("take(5, repeat = 2)", "MIX604"),
    ],
)
def test_wrong_quota_is_one_finding(quota: str, code: str, tmp_path: Path) -> None:
    text = f"edition 2026\n{PEOPLE}mixture main {{\n  seed = 1\n  people = {quota}\n}}\n"
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == [code]


def test_quota_calls_are_bound(tmp_path: Path) -> None:
    text = (
        f"edition 2026\n{PEOPLE}mixture main {{\n  seed = 1\n"
        "  people = take(2, balance = age, repeat = 2, cap = { by = name, max = 1 })\n}\n"
    )
    program = compiled(tmp_path, text).program
    assert program is not None
    quota = program.mixtures["main"].components[0].quota
    assert (quota.function, quota.args, quota.keywords) == (  # type: ignore[union-attr]
        "take",
        (2,),
        {"balance": "age", "repeat": 2, "cap": {"by": "name", "max": 1}},
    )


def test_comment_allows_a_warning_but_no_error(tmp_path: Path) -> None:
    text = (
        "edition 2026\n# mix: allow MIX104 -- kept for later\n"
        + PEOPLE
        + "source rows inline { rows = [{ a = 1 }] }\nmixture main {\n  seed = 1\n  rows = all\n}\n"
    )
    assert found(compiled(tmp_path, text)) == []
    wrong = "edition 2026\n# mix: allow MIX101 -- please\npipeline p { from nowhere }\n"
    assert [d.code for d in compiled(tmp_path, wrong).diagnostics] == ["MIX906", "MIX101"]


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abcdefghijklmnopqrstuvwx", "hf_abcdefghijklmnopqrstuvwxyz", "AKIAABCDEFGHIJKLMNOP"],
)
def test_key_in_a_comment_is_found(key: str, tmp_path: Path) -> None:
    result = compiled(tmp_path, f"edition 2026\n# {key}\n")
    assert [(d.code, d.primary.span.text) for d in result.errors] == [("MIX901", key)]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("# sk-proj-abcdefghijklmnopqrstuvwx is mine", "sk-proj-abcdefghijklmnopqrstuvwx"),
        ('let { place = "https://me:hunter2@example.org/x" }', "hunter2"),
        ('model m openai { base_url = "http://x/v1", model = "m", api_key = "pa$$word" }', "pa$$word"),
        ('model m openai { base_url = "http://x/v1", model = "m", api_key = "hm" }', '"hm"'),
        (
            'model m openai { base_url = "http://x/v1", model = "m", api_key = "pa$$word", kee = "pa$$word" }',
            "pa$$word",
        ),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_no_format_shows_a_secret_that_is_found(line: str, secret: str, format: str, tmp_path: Path) -> None:
    diagnostics = compiled(tmp_path, f"edition 2026\n{line}\n").diagnostics
    assert "MIX901" in [d.code for d in diagnostics]
    shown = render(diagnostics, format)
    assert "MIX901" in shown
    assert secret not in shown and json.dumps(secret)[1:-1] not in shown


def test_a_hidden_secret_keeps_its_place(tmp_path: Path) -> None:
    line = 'model m openai { base_url = "http://x/v1", model = "m", api_key = "pa$$word" }'
    shown = render(compiled(tmp_path, f"edition 2026\n{line}\n").errors, "full")
    assert line.replace("pa$$word", "********") in shown
    assert " " * line.index('"pa$$word"') + "^" * 10 in shown


def test_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("")
    project = tmp_path / "project"
    project.mkdir()
    (project / "rows.jsonl").symlink_to(tmp_path / "secret.jsonl")
    result = compiled(project, 'edition 2026\nsource s jsonl { path = "rows.jsonl" }\n')
    assert [d.code for d in result.errors] == ["MIX902"]


def test_everything_an_import_is_asked_for_is_bound(tmp_path: Path) -> None:
    lib = """edition 2026
model m openai { base_url = "http://localhost/v1", model = "tiny" }
source exam inline { rows = [{ q = "1" }] }
source shots inline { rows = [{ q = "2" }] }
template t { user = "{{ name }} {{ shot }}" }
"""
    text = f"""edition 2026
import "lib.mix" as lib
{PEOPLE}pipeline p {{
  from people
  draw shot {{ from = lib.shots, column = q }}
  generate a {{ prompt = lib.t, model = lib.m }}
  decontaminate ngram {{ against = [lib.exam] }}
}}
"""
    program = compiled(tmp_path, text, files={"lib.mix": lib}).program
    assert program is not None
    assert set(program.sources) == {"people", "lib.exam", "lib.shots"}
    assert (set(program.models), set(program.templates)) == ({"lib.m"}, {"lib.t"})


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        ("name", []),
        ('"name"', ["MIX112"]),
        ('"full name"', []),
        ('"in"', []),
        ('"nmae"', ["MIX401"]),
        ('"Write the answer"', ["MIX401"]),
    ],
)
def test_quotes_are_needless_only_around_what_can_stand_bare(
    written: str, codes: list[str], tmp_path: Path
) -> None:
    people = 'source people inline { rows = [<<~JSON\n  {"name": "Ada", "full name": "Ada L.", "in": "a"}\n  JSON\n] }\n'
    text = f"edition 2026\n{people}pipeline p {{\n  from people\n  chat {{ user = {written}, assistant = name }}\n}}\n"
    text += "mixture main {\n  seed = 1\n  p = all\n}\n"
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == codes


@pytest.mark.parametrize("call", ['join(split("a b", {}), "-")', 'join(["a", "b"], {})'])
@pytest.mark.parametrize(
    ("separator", "is_right"), [('", "', True), ("comma", True), ("name", False), ("null", False)]
)
def test_separators_are_the_same_for_every_row(
    call: str, separator: str, is_right: bool, tmp_path: Path
) -> None:
    text = f'edition 2026\nlet {{ comma = "," }}\n{PEOPLE}pipeline p {{\n  from people\n'
    text += f"  derive {{ line = {call.format(separator)} }}\n}}\n"
    errors = compiled(tmp_path, text).errors
    assert [(d.code, d.primary.span.text) for d in errors] == ([] if is_right else [("MIX123", separator)])


@pytest.mark.parametrize("body", ["", 'system = "Be kind."', "user = name", "assistant = name"])
def test_chat_needs_both_sides_or_turns(body: str, tmp_path: Path) -> None:
    text = f"edition 2026\n{PEOPLE}pipeline p {{\n  from people\n  chat {{ {body} }}\n}}\n"
    errors = compiled(tmp_path, text).errors
    assert [d.message for d in errors] == ["`chat` needs `user` and `assistant` or `turns` or `text`"]


@pytest.mark.parametrize("extra", ["input", "reasoning"])
def test_chat_accepts_nothing_that_it_would_not_read(extra: str, tmp_path: Path) -> None:
    text = (
        f"edition 2026\n{PEOPLE}pipeline p {{\n  from people\n  chat {{ turns = name, {extra} = name }}\n}}\n"
    )
    errors = compiled(tmp_path, text).errors
    assert [d.message for d in errors] == [f"`{extra}` goes with `user`, and this `chat` has `turns`"]


def test_drawn_column_and_balance_are_bare_words(tmp_path: Path) -> None:
    text = f"edition 2026\n{PEOPLE}pipeline p {{\n  from people\n"
    text += "  draw other { from = people, column = COLUMN, balance = age }\n}\n"
    program = compiled(tmp_path, text.replace("COLUMN", "name")).program
    assert program is not None
    assert program.pipelines["p"].columns["other"] == "text"
    wrong = compiled(tmp_path, text.replace("COLUMN", "nmae")).errors
    assert [(d.code, d.hint) for d in wrong] == [("MIX401", "did you mean `name`?")]


def test_common_attributes_are_the_catalogs() -> None:
    """`when` decides what a row contains, and every step and source brings the attributes that all have; a source with
    nothing in it has nothing to choose from."""
    catalog = builtin_catalog()
    for family in ("step", "verify", "dedup", "decontaminate"):
        for entry in catalog.family(family).values():
            classes = {a.name: a.cls for a in entry.attributes}
            # A fold looks at several rows at once: there is no one row of which a condition could be true.
            of_several = entry.folds or entry.key == "step.fold_by"
            assert (classes.get("when"), classes["id"]) == (None if of_several else "row", "meta"), entry.key
    for entry in catalog.family("source").values():
        common = set() if entry.is_empty else {"license", "columns", "where", "limit"}
        assert common <= {a.name for a in entry.attributes}, entry.key


def test_a_word_where_a_text_may_stand_may_lack_its_quotes(tmp_path: Path) -> None:
    text = """edition 2026
source texts inline { rows = [{ reply = "It is raining." }] }
pipeline checked {
  from texts
  verify language { response = reply, is = german }
  chat { user = reply, assistant = reply }
}
"""
    (finding,) = compiled(tmp_path, text).errors
    assert (finding.code, finding.hint) == ("MIX401", 'write one of: reply; a text is quoted: `"german"`')
