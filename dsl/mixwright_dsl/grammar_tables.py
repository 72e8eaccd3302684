"""The tables that lark makes of `grammar.lark`, as the text of `grammar.json`. Lark is needed here alone."""

from __future__ import annotations

import json
import re
from typing import Any

from lark import Lark
from lark.lexer import PatternStr
from lark.parsers.lalr_analysis import Shift

from mixwright_dsl.grammar import GRAMMAR_PATH
from mixwright_dsl.tables import MARK, Rule, Tables

OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": ["file", "unwanted"],
    "maybe_placeholders": False,
}
"""`unwanted` keeps the terminals of mistakes in the lexer."""


def tables_json() -> str:
    """The text of `grammar.json`: the same for the same grammar, a state or a rule a line."""
    found = tables_of(GRAMMAR_PATH.read_text(encoding="utf-8"))
    fields = {
        name: _lines(value) if isinstance(value, list) else json.dumps(value)
        for name, value in vars(found).items()
    }
    return "{\n" + ",\n".join(f' "{name}": {value}' for name, value in fields.items()) + "\n}\n"


def _lines(items: list[Any]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(_plain(item))}" for item in items) + "\n ]"


def _plain(item: Any) -> Any:
    return list(vars(item).values()) if isinstance(item, Rule) else item


def tables_of(text: str) -> Tables:
    """The tables of a grammar whose keywords are words of `NAME`."""
    built: Any = Lark(text, **OPTIONS)
    lexer, table = built.parser.lexer, built.parser.parser._parse_table
    scanner = lexer.scanner
    keywords = lexer.callback["NAME"].scanner.terminals
    marks = [terminal for terminal in scanner.terminals if _is_mark(terminal)]
    (ignored,) = lexer.ignore_types
    numbers = {rule: number for number, rule in enumerate(built.rules)}
    # Lark numbers states in another order each time.
    order = [table.start_states["file"]]
    for state in order:
        targets = [target for _, (action, target) in sorted(table.states[state].items()) if action is Shift]
        order += [target for target in dict.fromkeys(targets) if target not in order]
    states = {state: number for number, state in enumerate(order)}
    return Tables(
        pattern=_pattern(scanner.terminals, ignored),
        words={terminal.pattern.value: terminal.name for terminal in (*keywords, *marks)},
        rules=[_rule(rule) for rule in built.rules],
        states=[
            {
                symbol: states[target] if action is Shift else ~numbers[target]
                for symbol, (action, target) in sorted(table.states[state].items())
            }
            for state in order
        ],
        end=states[table.end_states["file"]],
    )


def _is_mark(terminal: Any) -> bool:
    """Is it one character, with which nothing else begins?"""
    return isinstance(terminal.pattern, PatternStr) and len(terminal.pattern.value) == 1


def _pattern(terminals: list[Any], ignored: str) -> str:
    """What is ignored is taken with the terminal behind it: half as many matches. All marks are one group."""
    groups: dict[str, str] = {}
    before, marks = "", ""
    for terminal in terminals:
        if terminal.name == ignored:
            before = terminal.pattern.to_regexp()
        elif _is_mark(terminal):
            marks += re.escape(terminal.pattern.value)
            groups.setdefault(MARK, "")
        else:
            groups[terminal.name] = terminal.pattern.to_regexp()
    groups[MARK] = f"[{marks}]"
    return f"(?:{before})?(?:" + "|".join(f"(?P<{name}>{text})" for name, text in groups.items()) + ")"


def _rule(rule: Any) -> Rule:
    kept = tuple(
        (at, not symbol.is_term and symbol.name.startswith("_"))
        for at, symbol in enumerate(rule.expansion)
        if not (symbol.is_term and symbol.filter_out)
    )
    return Rule(
        rule.origin.name,
        len(rule.expansion),
        kept,
        rule.alias or rule.origin.name,
        bool(rule.options.expand1 and not rule.alias),
    )
