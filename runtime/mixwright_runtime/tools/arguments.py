"""Arguments of a call, held against the parameters of what is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
"""JSON Schema's names -> what values of them are in Python."""


class ArgumentFault(ValueError):
    """They do not fit; the message is for the model that wrote them."""


def fitted(arguments: Mapping[str, Any] | str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name. A text is the one that is taken; of what is taken the names and the plain types are looked
    at, no more: what a server of its own asks of its arguments is for it to say.

    Raises:
        ArgumentFault: one is missing, not known, or of another type.
    """
    known = parameters.get("properties")
    properties: Mapping[str, Any] = known if isinstance(known, Mapping) else {}
    stated = parameters.get("required")
    required = [name for name in stated if isinstance(name, str)] if isinstance(stated, list) else []
    if isinstance(arguments, str):
        arguments = _named(arguments, properties, required)
    missing = [name for name in required if name not in arguments]
    if missing:
        raise ArgumentFault(f"`{missing[0]}` is missing")
    for name, value in arguments.items():
        if name not in properties:
            if parameters.get("additionalProperties") is not False:
                continue
            takes = ", ".join(f"`{one}`" for one in properties) or "nothing"
            raise ArgumentFault(f"there is no parameter `{str(name)[:60]}`; it takes {takes}")
        _check(name, value, properties[name])
    return dict(arguments)


def _named(text: str, properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    """The text under the name of what is taken; nothing where nothing is."""
    if not properties:
        if text.strip():
            raise ArgumentFault("it takes nothing")
        return {}
    names = required or list(properties)
    if len(names) > 1:
        raise ArgumentFault(f"it takes {len(names)} arguments: {', '.join(names)}")
    schema = properties[names[0]]
    type = schema.get("type") if isinstance(schema, Mapping) else None
    if type not in ("integer", "number"):
        return {names[0]: text}
    try:
        return {names[0]: int(text) if type == "integer" else float(text)}
    except ValueError:
        raise ArgumentFault(f"`{names[0]}` must be {_article(type)}, not {text.strip()[:60]!r}") from None


def _check(name: str, value: Any, schema: Any) -> None:
    stated = schema.get("type") if isinstance(schema, Mapping) else None
    types = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    allowed = [type for type in types if isinstance(type, str) and type in TYPES]
    if not allowed or any(_is(value, type) for type in allowed):
        return
    raise ArgumentFault(f"`{name}` must be {' or '.join(map(_article, allowed))}")


def _is(value: Any, type: str) -> bool:
    if isinstance(value, bool) and type in ("integer", "number"):
        return False
    if type == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[type])


def _article(type: str) -> str:
    return f"an {type}" if type[0] in "aeio" else f"a {type}"
