"""`{% generation %}` marks for chat templates that have none.

Trainers that train on the assistant alone ask the template where it speaks. Most templates write any role's message by
one expression, `'<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>'`. That expression is split at the
content, and what follows up to the token that ends the turn belongs to the assistant. Whether the result is right is not
argued but tried: an export compares it with the known labels on every row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OUTPUT = re.compile(r"\{\{(-?)((?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^'\"])*?)(-?)\}\}")
_CONTENT = re.compile(r"\b(\w+)(?:\.content\b|\[\s*['\"]content['\"]\s*\])")
_TEXT = re.compile(r"\A'((?:[^'\\]|\\.)*)'\Z|\A\"((?:[^\"\\]|\\.)*)\"\Z")
_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


def has_marks(template: str) -> bool:
    """Does the template say where the assistant speaks?"""
    return _MARK.search(template) is not None


def with_marks(template: str, ends: Iterable[str]) -> str | None:
    """The template with marks around what an assistant says, its end token included; None where it is not of the form.

    ends: texts of the tokens that can end a turn.
    """
    if has_marks(template):
        return template
    found: list[str] = []
    at = 0
    is_marked = False
    for output in _OUTPUT.finditer(template):
        if output.start() < at:
            continue
        marked, end = _marked(output, template, [text for text in ends if text])
        if marked is not None:
            found += [template[at : output.start()], marked]
            at, is_marked = end, True
    return "".join([*found, template[at:]]) if is_marked else None


def _marked(output: re.Match[str], template: str, ends: list[str]) -> tuple[str | None, int]:
    """The replacement of one output statement and where it ends, None for those that write no content."""
    left, expression, right = output.groups()
    parts = _summands(expression)
    place = next((i for i, part in enumerate(parts) if _CONTENT.search(part)), None)
    if place is None:
        return None, output.end()
    spoken, rest, has_end = [parts[place]], list(parts[place + 1 :]), False
    while rest and not has_end:
        text = _TEXT.match(rest[0])
        if rest[0] == "eos_token":
            spoken.append(rest.pop(0))
            has_end = True
        elif text is not None:
            literal = next(group for group in text.groups() if group is not None)
            ending = next((e for e in ends if e in literal), None)
            if ending is None:
                break
            quote, cut = rest[0][0], literal.index(ending) + len(ending)
            spoken.append(quote + literal[:cut] + quote)
            rest[0] = quote + literal[cut:] + quote
            has_end = True
        else:
            break
    tail, after = "", output.end()
    if not has_end and not rest and not right:
        ending = next((e for e in ends if template.startswith(e, after)), None)
        if ending is not None:
            tail, after = ending, after + len(ending)
    message = _CONTENT.search(parts[place])
    assert message is not None
    before = "{{ " + " + ".join(parts[:place]) + " }}" if place else ""
    behind = "{{ " + " + ".join(rest) + " }}" if rest else ""
    spoken_text = "{{ " + " + ".join(spoken) + " }}" + tail
    # The empty outputs keep blocks from taking the white space around them.
    return (
        f"{{{{{left} '' }}}}{{% if {message.group(1)}['role'] == 'assistant' %}}{before}"
        f"{{% generation %}}{spoken_text}{{% endgeneration %}}{behind}"
        f"{{% else %}}{{{{{expression}}}}}{tail}{{% endif %}}{{{{ '' {right}}}}}"
    ), after


def _summands(expression: str) -> list[str]:
    """The operands of the sum that an expression is, one for anything else."""
    parts, depth, start, quote = [], 0, 0, ""
    for place, character in enumerate(expression):
        if quote:
            if character == quote and expression[place - 1] != "\\":
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in "+~" and depth == 0:
            parts.append(expression[start:place].strip())
            start = place + 1
    return [*parts, expression[start:].strip()]
