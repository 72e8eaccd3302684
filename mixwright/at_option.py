"""The option `--at`: where a model is in this run, whatever its spec says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from urllib.parse import urlsplit

from mixwright.compiling import Misuse
from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.suggest import nearest


def add_at_option(parser: argparse.ArgumentParser) -> None:
    """Add `--at MODEL=ADDRESS`."""
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="MODEL=ADDRESS,…",
        help="ask a model at these addresses instead of its `base_url`; every answer stays reusable",
    )


def placed(plan: Plan, stated: Sequence[str]) -> Plan:
    """The plan with its models where `--at` says; the run's alone, so that nothing is asked again for it.

    Raises:
        Misuse: it names no model with an address, or none.
    """
    if not stated:
        return plan
    models = dict(plan.models)
    for text in stated:
        name, _, listed = text.partition("=")
        addresses = [address for address in listed.split(",") if address]
        model = models.get(name)
        if model is None or "base_url" not in model.attributes:
            having = [one for one, spec in models.items() if "base_url" in spec.attributes]
            near = nearest(name, having)
            hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(having) or 'none'}"
            raise Misuse(f"--at names '{name}', which is no model with an address; {hint}")
        for address in addresses or [""]:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise Misuse(f"--at takes {name}=http://HOST:PORT/v1, or several with commas, here {text!r}")
        models[name] = model.model_copy(
            update={"attributes": {**model.attributes, "base_url": list(dict.fromkeys(addresses))}}
        )
    return plan.model_copy(update={"models": models})
