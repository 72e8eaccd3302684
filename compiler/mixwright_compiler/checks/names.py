"""1xx and 429: names that nothing uses, and names that are easily mixed up."""

from __future__ import annotations

import re
from collections import Counter

from mixwright_compiler.bind.used_columns import local_name
from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.suggest import listing, nearest, suggested
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label

_UNUSED_HINTS = {
    "pipeline": "give it a quota in a mixture: `{0} = all`",
    "source": "start a pipeline with `from {0}`, or give it a quota: `{0} = all`",
    "template": "use it: `prompt = {0}`",
    "operator": "name it among the prompts of a `generate`: `prompt = [{0}]`",
    "tool": "offer it: `tools = [{0}]` in a `generate` or a `call`",
    "fragment": "use it in a pipeline: `use {0} {{ … }}`",
    "model": "use it: `model = {0}`",
    "param": "delete it, or use `{0}` in a value",
    "let": "delete it, or use `{0}` in a value",
}


def check_unused(checked: Checked) -> None:
    """MIX104: what no quota, train or export can reach. A file without a mixture is a library: all its names count."""
    world, spec = checked.world, checked.world.spec
    if not any(d.kind == "mixture" for d in spec.declarations.values()):
        return
    if world.findings.has_errors:
        return  # what a broken line would have used looks unused
    for declaration in spec.declarations.values():
        hint = _UNUSED_HINTS.get(declaration.kind)
        if declaration.is_used or hint is None:
            continue
        from mixwright_compiler.checks.edits import without

        world.findings.warning(
            "MIX104",
            f"{declaration.kind} `{declaration.name}` is not used",
            declaration.name_span,
            "nothing refers to it",
            hint=hint.format(declaration.name),
            fix=Fix(f"delete `{declaration.name}`", (without(declaration.node.span),), Applicability.MAYBE),
        )
    for alias, span in spec.import_spans.items():
        if alias not in spec.used_imports and spec.imports.get(alias) is not None:
            world.findings.warning(
                "MIX104",
                f"import `{alias}` is not used",
                span,
                "nothing refers to it",
                hint=f"use a name of it: `{alias}.name`",
            )
    for name, span in spec.plugin_spans.items():
        if name not in world.used_plugins:
            kinds = listing(f"`{key.replace('.', ' ')}`" for key in world.plugins[name].declared)
            world.findings.warning(
                "MIX104",
                f"no kind of plugin `{name}` is used",
                span,
                f"it has {kinds}",
                hint="delete the import",
            )


def check_params(checked: Checked) -> None:
    """MIX431: a param of a fragment that changes nothing."""
    for fragment in checked.program.fragments.values():
        for param in fragment.unused:
            checked.findings.warning(
                "MIX431",
                f"`{fragment.name}` does not use its param `{param.name}`",
                param.span,
                "no step or template of it names it",
                hint=f"delete it, or use `{param.name}` in a step",
            )


def check_case(checked: Checked) -> None:
    """MIX111: two names of a file that differ in case or underscores alone."""
    for module in checked.world.modules[:1]:
        seen: dict[str, tuple[str, Label]] = {}
        for declaration in module.declarations.values():
            folded = declaration.name.lower().replace("_", "")
            if folded in seen:
                name, label = seen[folded]
                checked.findings.warning(
                    "MIX111",
                    f"`{declaration.name}` and `{name}` are easily mixed up",
                    declaration.name_span,
                    "differs in case or underscores alone",
                    secondary=(label,),
                    hint=f"rename one, also where it is used: `{declaration.name}_2`",
                    fix=_renamed(checked, declaration),
                )
            else:
                seen[folded] = declaration.name, Label(declaration.name_span, "the other one")


def _renamed(checked: Checked, declaration: Declaration) -> Fix:
    """Another name for a declaration, also where it is used."""
    name = f"{declaration.name}_2"
    places = [m.span for m in checked.world.mentions if m.declared == declaration.name_span]
    edits = tuple(Edit(span, name) for span in dict.fromkeys((declaration.name_span, *places)))
    return Fix(f"write `{name}`", edits, Applicability.MAYBE)


def check_conditional(checked: Checked) -> None:
    """MIX429: a column that a step makes of some rows and nothing reads, named almost as one of the other rows is."""
    pairs = [(p, s) for p in checked.program.pipelines.values() for s in p.steps if s.when and s.label]
    if len(pairs) < 2:
        return
    texts = [module.source.text for module in checked.world.modules]
    texts += [message.text for t in checked.program.templates.values() for message in t.messages]
    named = Counter(name for text in texts for name in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", text))
    for pipeline, step in pairs:
        if (
            named[local_name(step.span, step.label)] > 1
            or step.label_span is None
            or not checked.clean(step.span)
        ):
            continue
        others = {s.label: s for p, s in pairs if p is pipeline and s.entry is step.entry}
        near = nearest(step.label, (name for name in others if named[name] > 1))
        if near is not None:
            checked.findings.lint(
                "MIX429",
                f"nothing reads `{step.label}`, and other rows have `{near}`",
                step.label_span,
                f"`{near}` is null in the rows of this step",
                secondary=(
                    Label(others[near].label_span or others[near].kind_span, "made here of the others"),
                ),
                **suggested(near, step.label_span),
            )
