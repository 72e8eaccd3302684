"""The plan's form of a mixture's components and their quotas."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.plain import plain
from mixwright_compiler.plan.origins import origin_of
from mixwright_compiler.plan.plan import (
    AllQuota,
    Cap,
    Component,
    CountQuota,
    MaxQuota,
    Quota,
    RateQuota,
    ShareQuota,
    Tag,
    TakeQuota,
    WeightQuota,
)
from mixwright_compiler.program import ComponentDecl, TagDecl


def component_of(decl: ComponentDecl) -> Component:
    """The plan's form of a component."""
    return Component.model_validate(
        {
            "rows": decl.rows,
            "kind": decl.kind,
            "group": decl.group,
            "quota": quota_of(plain(decl.quota)),
            "origin": origin_of(decl.quota_span),
        }
    )


def tag_of(decl: TagDecl) -> Tag:
    """The plan's form of a tag."""
    limits = {"least": decl.least, "most": decl.most}
    stated = {name: quota_of(bound.value) for name, bound in limits.items() if bound is not None}
    return Tag.model_validate({"name": decl.name, "rows": decl.rows, "doc": decl.doc, **stated})


def quota_of(value: Any) -> Quota:
    """The plan's form of a quota: a count, a share, `all`, or a call `{"call": name, "args", "keywords"}`."""
    match value:
        case "all":
            return AllQuota()
        case bool():
            raise TypeError("a quota is no truth value")
        case int():
            return CountQuota(count=value)
        case float():
            return ShareQuota(share=value)
        case {"call": "max", "args": [count, *_]}:
            return MaxQuota(count=count)
        case {"call": "weight", "args": [weight, *_]}:
            return WeightQuota(weight=weight)
        case {"call": "rate", "args": args, "keywords": keywords}:
            return RateQuota(cap=keywords["cap"] if "cap" in keywords else args[0])
        case {"call": "take", "args": [count, *_], "keywords": keywords}:
            cap = keywords.get("cap")
            return TakeQuota(
                count=count,
                balance=keywords.get("balance"),
                repeat=keywords.get("repeat") or 1,
                cap=Cap(by=cap["by"], max=cap["max"]) if cap else None,
            )
        case _:
            raise TypeError(f"no quota: {value!r}")


def quota_text(component: Any) -> str:
    """A quota as it is written in a spec."""
    quota = component.quota
    match quota.kind:
        case "all":
            return "all"
        case "count":
            return f"{quota.count:_}"
        case "share":
            return f"{quota.share:.6g}" if quota.share > 1 else f"{quota.share * 100:.6g}%"
        case "max":
            return f"max({quota.count:_})"
        case "weight":
            return f"weight({quota.weight:g})"
        case "rate":
            return f"rate(cap = {quota.cap:_})"
        case _:
            more = [f"balance = {quota.balance}"] if quota.balance else []
            more += [f"repeat = {quota.repeat}"] if quota.repeat != 1 else []
            more += [f"cap = {{ by = {quota.cap.by}, max = {quota.cap.max} }}"] if quota.cap else []
            return f"take({', '.join([f'{quota.count:_}', *more])})"
