"""Every example of docs/language/quotas.md gives the numbers that stand under it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_runtime.mixture import MixtureRecord, read_record
from mixwright_runtime.store.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "language" / "quotas.md"
EXAMPLES = re.findall(r"```mix\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
HEAD = "edition 2026\n" + "".join(
    f'source {name} jsonl {{ path = "{name}.jsonl", license = "mit" }}\n' for name in ("web", "books", "faq")
)


def row(source: str, number: int) -> dict[str, object]:
    language = "en" if number < 900 else "de" if number < 990 else "zu"
    more = {"language": language, "author": f"author {number % 100}"} if source == "web" else {}
    question = {"role": "user", "content": f"{source} {number}?"}
    return {"messages": [question, {"role": "assistant", "content": "Yes."}], **more}


def shown(record: MixtureRecord) -> str:
    """The quotas as the page prints them."""
    wide = max(len(result.component) for result in record.results)
    taken = [f"{r.got:,} of {'all' if r.wanted is None else f'{r.wanted:,}'}" for r in record.results]
    digits = max(text.index(" ") for text in taken)
    taken = [" " * (digits - text.index(" ")) + text for text in taken]
    lines = []
    for result, text in zip(record.results, taken, strict=True):
        lines.append(f"{result.component:<{wide}}  {text:<{max(map(len, taken))}}  {result.arithmetic}")
        lines += [f"  {value} {got:,} of {there:,}" for value, there, got in result.strata]
    lines += [f"note: {note}" for note in record.notes]
    return "\n".join([*lines, *([f"short: {record.shortfall}"] if record.shortfall else [])]) + "\n"


@pytest.mark.parametrize(("text", "expected"), EXAMPLES, ids=[text.split()[1] for text, _ in EXAMPLES])
def test_the_example_gives_what_the_page_says(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    for source, rows in (("web", 1000), ("books", 200), ("faq", 60)):
        lines = (json.dumps(row(source, number)) + "\n" for number in range(rows))
        (tmp_path / f"{source}.jsonl").write_text("".join(lines))
    mixtures = re.findall(r"^mixture (\w+)", text, re.MULTILINE)
    seeded = re.sub(r"^(mixture \w+ {)", r"\1 seed = 42", text, flags=re.MULTILINE)
    (tmp_path / "page.mix").write_text(HEAD + seeded.replace("seed = 42\n", "\n  seed = 42\n"))
    assert main(["run", "page.mix", "--mixture", mixtures[-1]]) == 0
    with Store.open(tmp_path / ".mixwright", read_only=True) as store:
        assert shown(read_record(store, 1, mixtures[-1])) == expected


def test_the_page_has_an_example_of_every_quota():
    text = "".join(example for example, _ in EXAMPLES)
    for word in (
        "all",
        "max(",
        "%",
        "weight(",
        "rate(",
        "take(",
        "balance",
        "repeat",
        "cap =",
        "fill(",
        "warn",
    ):
        assert word in text
