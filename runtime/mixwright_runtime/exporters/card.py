"""The dataset card: README.md of an export, with the front matter the Hugging Face hub reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixwright_compiler.catalog.license_expressions import ids_of
from mixwright_runtime.exporters.marked_blocks import BODY, FRONT, marked
from mixwright_runtime.exporters.protocol import MESSAGES
from mixwright_runtime.verifiers.reviewed import INTERVAL, measures

if TYPE_CHECKING:
    from mixwright_runtime.facts.mixture import MixtureFacts


@dataclass(frozen=True)
class CardFacts:
    """Everything a card says, of the mixture and of how it is exported. language, license: as the export states
    them."""

    title: str
    mixture: MixtureFacts
    data_file: str
    license: str = ""
    language: Sequence[str] = ()
    shape: str = MESSAGES
    """What a row holds, in words."""
    training: str = ""
    """A section on how to train with it, Markdown."""


_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)


def size_category(rows: int) -> str:
    """The hub's word for a number of rows."""
    return next((word for limit, word in _SIZES if rows < limit), "1B<n<10B")


def dataset_card(facts: CardFacts) -> str:
    """Text of README.md, its two parts between our marks; the same facts give the same bytes."""
    mixture = facts.mixture
    sections = [
        f"# {facts.title}\n\n{_opening(facts)}",
        facts.training,
        _quotas(mixture),
        _licenses(mixture),
        _excluded(mixture),
        _models(mixture),
        _contamination(mixture),
        _reviews(mixture),
        _drops(mixture),
        _reproduction(mixture),
    ]
    body = "\n\n".join(section for section in sections if section)
    return f"---\n{marked(_front_matter(facts), FRONT)}\n---\n\n{marked(body, BODY)}\n"


def _front_matter(facts: CardFacts) -> str:
    stated = [facts.license] if facts.license else [source.license for source in facts.mixture.sources]
    # The hub knows ids alone, of which a card may name several.
    licenses = sorted({name for one in stated if one for name in ids_of(one)})
    synthetic = ["synthetic"] if facts.mixture.models else []
    lines = [f"pretty_name: {_yaml(facts.title)}"]
    if licenses and (facts.license or all(source.license for source in facts.mixture.sources)):
        lines += ["license:", *(f"- {_yaml(name)}" for name in licenses)]
    if facts.language:
        lines += ["language:", *(f"- {_yaml(code)}" for code in facts.language)]
    lines += [
        "task_categories:",
        "- text-generation",
        "size_categories:",
        f"- {size_category(facts.mixture.record.rows)}",
    ]
    lines += ["tags:", *(f"- {tag}" for tag in ("instruction-tuning", "sft", "mixwright", *synthetic))]
    lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train"]
    return "\n".join([*lines, f"    path: {_yaml(facts.data_file)}"])


def _opening(facts: CardFacts) -> str:
    record = facts.mixture.record
    text = f"{facts.mixture.doc.strip()}\n\n" if facts.mixture.doc.strip() else ""
    text += (
        f"{record.rows:,} training examples ({facts.shape}), a mixture built by "
        f"Mixwright {facts.mixture.mixwright_version} from `{facts.mixture.spec}`."
    )
    if facts.shape == MESSAGES:
        text += (
            " `id` names a row, `lineage` what it was made of, which several rows may share; `component` is the line of "
            "the mixture it came in by, `source` where it started."
        )
    return text if record.shortfall is None else f"{text}\n\n**Short of its quotas:** {record.shortfall}."


def _quotas(mixture: MixtureFacts) -> str:
    results = mixture.record.results
    whole = max(1, mixture.record.rows)
    rows = [
        (
            r.group,
            r.component,
            f"`{r.quota}`",
            _count(r.wanted, "all"),
            f"{r.got:,}",
            f"{r.got / whole:.1%}",
            r.arithmetic,
        )
        for r in results
    ]
    text = "## Quotas\n\n" + _table(("group", "component", "quota", "wanted", "got", "of all", "how"), rows)
    for result in (r for r in results if r.strata):
        shown = result.strata[:50]
        more = f"\n\n… and {len(result.strata) - 50:,} more values." if len(result.strata) > 50 else ""
        values = [(value, f"{there:,}", f"{taken:,}") for value, there, taken in shown]
        text += (
            f"\n\n`{result.component}`, balanced:\n\n"
            + _table(("value", "available", "taken"), values)
            + more
        )
    found = mixture.record.subtotals()
    for kind in ("group", "tag"):
        sums = [(s.name or "(none)", s.rows or 0) for s in found if s.kind == kind]
        if len(sums) > (kind == "group"):
            lines = [(name, f"{rows:,}", f"{rows / whole:.1%}") for name, rows in sums]
            text += "\n\n" + _table((kind, "rows", "of all"), lines)
    return "".join([text, *(f"\n\n- {_cell(note)}" for note in mixture.record.notes)])


def _licenses(mixture: MixtureFacts) -> str:
    if not mixture.sources:
        text = "No row started from a source with anything in it."
        return "## Sources and licenses\n\n" + text + _of_models(mixture)
    rows = [(s.name, s.kind, s.license or "**not stated**", f"{s.rows:,}") for s in mixture.sources]
    return (
        "## Sources and licenses\n\n"
        + _table(("source", "kind", "license", "rows started from it"), rows)
        + "\n\nRows keep their source's terms."
        + _of_models(mixture)
    )


def _excluded(mixture: MixtureFacts) -> str:
    """Sources that a policy keeps out, and why; demands that are not met."""
    text = ""
    if mixture.policies.excluded:
        rows = [(one.source, one.because) for one in mixture.policies.excluded]
        text = "## Sources left out on purpose\n\n" + _table(("source", "excluded because"), rows)
    for found in mixture.policies.violations:
        text += f"\n\n**Not met:** {_cell(found.text)}."
    return text.strip()


def _of_models(mixture: MixtureFacts) -> str:
    return " Text that a model wrote may be bound by the model's license, too." if mixture.models else ""


def _models(mixture: MixtureFacts) -> str:
    if not mixture.models:
        return ""
    rows = [
        (m.name, m.engine, m.model, m.revision or "not pinned", m.license or "not stated")
        for m in mixture.models
    ]
    return "## Models that wrote text\n\n" + _table(("name", "engine", "model", "revision", "license"), rows)


def _contamination(mixture: MixtureFacts) -> str:
    """Counts only: examples would publish the evaluation sets' text once more."""
    if not mixture.checks:
        return "## Decontamination\n\nNo evaluation set was checked."
    rows = [
        (
            f"`{check.node}` ({check.operation})",
            found.name,
            _count(found.rows, "–"),
            _count(found.matched, "–"),
            f"{found.matched / found.rows:.2%}" if found.rows and found.matched is not None else "–",
            f"{found.removed:,}",
        )
        for check in mixture.checks
        for found in check.sets
    ]
    header = ("check", "evaluation set", "its rows", "matched", "share", "rows removed here")
    return "## Decontamination\n\n" + _table(header, rows)


def _reviews(mixture: MixtureFacts) -> str:
    """What people say of a sample. Figures only: what they were shown may be no row of the dataset."""
    if not mixture.reviews:
        return ""
    rows = [
        (f"`{node}`", f"{found['judged']:,}", name, value, interval)
        for node, found in mixture.reviews.items()
        for name, value, interval, _ in measures(found)
        if name != "judged"
    ]
    if not rows:
        return "## Reviewed by people\n\nNobody has judged the sample yet."
    return "## Reviewed by people\n\n" + _table(("review", "rows judged", "measure", "value", INTERVAL), rows)


def _drops(mixture: MixtureFacts) -> str:
    if not mixture.drops:
        return "## Rows left out\n\nNone was dropped before selection."
    rows = [
        (d.owner, d.step, d.reason + (" (quarantined)" if d.quarantined else ""), f"{d.rows:,}")
        for d in mixture.drops
    ]
    return "## Rows left out\n\n" + _table(("pipeline", "step", "reason", "rows"), rows)


def _reproduction(mixture: MixtureFacts) -> str:
    files = [(name, f"`{digest}`") for name, digest in mixture.spec_files]
    pins = [(s.name, f"`{s.digest}`" if s.digest else "not locked", s.revision) for s in mixture.sources]
    arguments = "".join(f" -p {name}={value}" for name, value in mixture.params.items())
    text = (
        "## How to make it again\n\n"
        f"```\npip install mixwright=={mixture.mixwright_version}\nmixwright run {mixture.spec}{arguments}\n```\n\n"
        f"Mixture seed {mixture.seed}. "
    )
    if mixture.models:
        text += (
            "The models' answers are recorded samples: with the store of this run, the same rows come out and "
            "nothing is asked again. Without it, the same requests are sent with the same seeds, and a server may "
            "answer them otherwise."
        )
    else:
        text += "No model was asked: the same sources give the same rows."
    text += "\n\n" + _table(("spec", "sha256"), files)
    return text + ("\n\n" + _table(("source", "sha256 in the lock", "revision"), pins) if pins else "")


def _count(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else f"{number:,}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    numeric = {"wanted", "got", "of all", "rows", "available", "taken", "rows started from it"}
    numeric |= {"its rows", "matched", "share", "rows removed here", "rows judged"}
    rule = ["---:" if name in numeric else "---" for name in header]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in (header, rule, *rows))


def _cell(text: str) -> str:
    """Text that stays in its cell: reasons and values of columns come from data."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _yaml(text: str) -> str:
    """A YAML scalar: plain where that is safe, else the JSON string, which YAML reads as it is."""
    is_plain = (
        text.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum() and text.isascii()
    )
    reserved = (
        text.lower() in ("no", "yes", "on", "off", "true", "false", "null", "y", "n") or text[:1].isdigit()
    )
    return text if is_plain and not reserved and text[0].isalpha() else json.dumps(text, ensure_ascii=False)
