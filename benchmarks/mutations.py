"""What `check` says of specs with one wrong token: is it told, in its place, and once?

    python benchmarks/mutations.py [--count 400] [--seeds 1 2 3] [--show silent|far|many|all]

Each mutation takes one token of one spec of `specs/` at random and deletes it, doubles it, swaps it with the next, puts
another token of the file in its place, misspells a name, changes a quote, a bracket, a number's unit or a comma. Printed
for each seed and for all: the share whose first finding is on the line of the mutation, the share with at most two
findings, and those that nothing is said of. Only findings that the spec itself does not have count.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mixwright_compiler.bind.lock import lock_path, read_lock
from mixwright_compiler.catalog.catalog import Catalog, builtin_catalog
from mixwright_compiler.stages import compile_source
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.grammar import CLOSERS, OPENERS, lex
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile, read_source
from mixwright_dsl.tokens import Token

SPECS = Path(__file__).resolve().parent.parent / "specs"
PARAMS = {"general.mix": {"data": "data"}}
"""Values of params without a default."""

KINDS = ("delete", "double", "swap", "replace", "misspell", "quote", "bracket", "separator", "number")


@dataclass(frozen=True)
class Mutation:
    """`lines`: those that the changed tokens stood on."""

    file: SourceFile
    kind: str
    start: int
    end: int
    new: str

    @property
    def text(self) -> str:
        return self.file.text[: self.start] + self.new + self.file.text[self.end :]

    @property
    def lines(self) -> range:
        return range(
            self.file.position(self.start).line, self.file.position(max(self.start, self.end - 1)).line + 1
        )

    def __str__(self) -> str:
        at = self.file.position(self.start)
        old = self.file.text[self.start : self.end]
        return f"{Path(self.file.name).name}:{at.line}:{at.column} {self.kind}: {old[:60]!r} -> {self.new[:60]!r}"


def mutations(files: list[SourceFile], seed: int, count: int) -> Iterator[Mutation]:
    """`count` random mutations, each of another place or kind."""
    chance = random.Random(seed)
    tokens = {
        file.name: [t for t in lex(file.text) if t.type != "_NL" and t.end_pos <= len(file.text)]
        for file in files
    }
    weights = [len(tokens[file.name]) for file in files]
    seen: set[tuple[str, int, int, str]] = set()
    while count:
        (file,) = chance.choices(files, weights)
        mutation = _mutation(chance, file, tokens[file.name])
        if mutation is None or mutation.text == file.text:
            continue
        key = (file.name, mutation.start, mutation.end, mutation.new)
        if key not in seen:
            seen.add(key)
            count -= 1
            yield mutation


def _mutation(chance: random.Random, file: SourceFile, tokens: list[Token]) -> Mutation | None:
    kind = chance.choice(KINDS)
    index = chance.randrange(len(tokens) - 1)
    token, after = tokens[index], tokens[index + 1]
    start, end, text = token.start_pos, token.end_pos, str(token)
    match kind:
        case "delete":
            return Mutation(file, kind, start, end, "")
        case "double":
            return Mutation(file, kind, start, end, f"{text} {text}" if text[-1:].isalnum() else text + text)
        case "swap":
            gap = file.text[end : after.start_pos]
            return (
                Mutation(file, kind, start, after.end_pos, f"{after}{gap}{text}") if "\n" not in gap else None
            )
        case "replace":
            return Mutation(file, kind, start, end, str(chance.choice(tokens)))
        case "misspell" if token.type == "NAME":
            return Mutation(file, kind, start, end, _misspelt(chance, text))
        case "quote" if token.type == "STRING":
            choices = (text[1:], text[:-1], text[1:-1], f"'{text[1:-1]}'", f"“{text[1:-1]}”")
            return Mutation(file, kind, start, end, chance.choice(choices))
        case "bracket" if token.type in OPENERS or token.type in CLOSERS:
            return Mutation(file, kind, start, end, chance.choice(("", text * 2, *"{}[]()")))
        case "separator" if token.type in ("_COMMA", "_EQUAL", "_DOT"):
            return Mutation(file, kind, start, end, chance.choice(("", " ", ";", ":", "=", ",", "==", ".")))
        case "number" if token.type == "QUANTITY":
            choices = (
                f"-{text}",
                f"{text}x",
                f'"{text}"',
                f"{text}%",
                f"{text}s",
                f"{text},000",
                text.upper(),
            )
            return Mutation(file, kind, start, end, chance.choice(choices))
    return None


def _misspelt(chance: random.Random, name: str) -> str:
    at = chance.randrange(len(name))
    letter = chance.choice("abcdefghijklmnopqrstuvwxyz_")
    other = name[at + 1 : at + 2] + name[at] + name[at + 2 :]
    return chance.choice(
        (
            name[:at] + name[at + 1 :] or letter,
            name[:at] + letter + name[at:],
            name[:at] + letter + name[at + 1 :],
            name[:at] + other,
            name.capitalize(),
        )
    )


def findings(file: SourceFile, text: str, catalog: Catalog) -> list[Diagnostic]:
    """All findings of a text in the place of a file."""
    assert file.path is not None
    source = SourceFile(file.name, text, file.path)
    lock_file = lock_path(file.path)
    lock = read_lock(lock_file) if lock_file.exists() else None
    return list(
        compile_source(source, params=PARAMS.get(file.path.name), lock=lock, catalog=catalog).diagnostics
    )


@dataclass(frozen=True)
class Outcome:
    mutation: Mutation
    found: list[Diagnostic]

    @property
    def is_silent(self) -> bool:
        return not self.found

    @property
    def is_near(self) -> bool:
        """Is the first finding on the mutated line?"""
        return bool(self.found) and self.found[0].primary.span.position.line in self.mutation.lines

    @property
    def is_few(self) -> bool:
        return len(self.found) <= 2

    @property
    def is_same_tree(self) -> bool:
        """Does the text parse to the same statements, as after a doubled comma at the end of a line?"""
        file = self.mutation.file
        return repr(_shape(parse(SourceFile("", self.mutation.text)).file)) == repr(_shape(parse(file).file))


def _shape(node: object) -> object:
    """A tree without its places."""
    if isinstance(node, tuple):
        return tuple(map(_shape, node))
    names = [
        n
        for n in getattr(node, "__dataclass_fields__", ())
        if "span" not in n and n not in ("source", "lines")
    ]
    return (type(node).__name__, *(_shape(getattr(node, n)) for n in names)) if names else node


def outcomes(files: list[SourceFile], seed: int, count: int, catalog: Catalog) -> list[Outcome]:
    """What is found in each mutated spec and not in the spec."""
    known = {
        file.name: Counter((d.code, d.message) for d in findings(file, file.text, catalog)) for file in files
    }
    result = []
    for mutation in mutations(files, seed, count):
        left = known[mutation.file.name].copy()
        new = []
        for diagnostic in findings(mutation.file, mutation.text, catalog):
            key = (diagnostic.code, diagnostic.message)
            if left[key]:
                left[key] -= 1
            else:
                new.append(diagnostic)
        result.append(Outcome(mutation, new))
    return result


def report(title: str, results: list[Outcome]) -> None:
    """One line of figures. A mutation that leaves the same statements counts nowhere."""
    wrong = [r for r in results if not (r.is_silent and r.is_same_tree)]
    told = [r for r in wrong if not r.is_silent]
    near = sum(r.is_near for r in told) / len(told)
    few = sum(r.is_few for r in told) / len(told)
    print(
        f"{title:8} {len(results):5} mutations, {len(results) - len(wrong)} the same statements; "
        f"first finding on the line {near:.1%}, at most two {few:.1%}, silent {len(wrong) - len(told)}",
        flush=True,
    )


def show(result: Outcome) -> None:
    """A mutation with its line and what was found."""
    line = result.mutation.lines[0]
    source = SourceFile("", result.mutation.text)
    print(f"  {result.mutation}\n      {source.line_text(line).strip()[:150]}")
    for diagnostic in result.found[:6]:
        print(
            f"      {diagnostic.primary.span.position.line}: {diagnostic.severity.value}[{diagnostic.code}]"
            f" {diagnostic.message}"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=400, help="mutations a seed [400]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--show", choices=("silent", "far", "many", "all"), nargs="*", default=["silent"])
    arguments = parser.parse_args()
    builtin = builtin_catalog()
    # As if every extra were installed, so that the figures are the same on every machine.
    catalog = Catalog({key: replace(entry, modules=()) for key, entry in builtin.entries.items()})
    files = [read_source(path) for path in sorted(SPECS.rglob("*.mix"))]
    every: list[Outcome] = []
    for seed in arguments.seeds:
        results = outcomes(files, seed, arguments.count, catalog)
        report(f"seed {seed}", results)
        every += results
    report("all", every)
    wanted = {
        "silent": [r for r in every if r.is_silent and not r.is_same_tree],
        "far": [r for r in every if not r.is_silent and not r.is_near],
        "many": [r for r in every if not r.is_few],
    }
    for name, chosen in wanted.items():
        if name in arguments.show or "all" in arguments.show:
            print(f"\n{name}: {len(chosen)}")
            for result in chosen:
                show(result)


if __name__ == "__main__":
    main()
