"""7xx: training jobs that contradict themselves."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.suggest import did_you_mean, listing, nearest
from mixwright_dsl.diagnostic import Label

MOST = 10**8
SIZES = ("hidden", "layers", "heads", "kv_heads", "ffn")


def check_batches(checked: Checked) -> None:
    """MIX701: a batch that ranks and micro-batches do not divide. MIX703: what an optimizer cannot do."""
    for train in checked.program.trains.values():
        if not checked.clean(train.span):
            continue
        attributes = train.attributes
        batch, micro = value_of(attributes, "batch"), value_of(attributes, "micro_batch")
        ranks = _ranks(attributes)
        shared = int(value_of(attributes, "sequence_parallel", 1) or 1)
        if (
            isinstance(batch, int)
            and isinstance(micro, int)
            and ranks
            and ranks % shared == 0
            and is_written(attributes, "micro_batch")
        ):
            step = micro * ranks // shared
            product, factors = "micro_batch × ranks", f"{micro} × {ranks}"
            if shared > 1:
                product, factors = f"{product} / sequence_parallel", f"{factors} / {shared}"
            if batch % step and not _is_packed(attributes):
                checked.findings.error(
                    "MIX701",
                    f"a batch of {batch} is not a multiple of {product} = {factors} = {step}",
                    attributes["batch"].span
                    if is_written(attributes, "batch")
                    else attributes["micro_batch"].span,
                    f"{batch} / {step} = {batch / step:.2f} accumulation steps",
                    hint=f"write `batch = {max(1, round(batch / step)) * step}`",
                )
        if value_of(attributes, "optimizer") == "muon":
            zero = value_of(attributes, "zero", 0)
            if zero or (ranks or 1) > 1:
                at = attributes["zero"] if zero else attributes.get("ranks", attributes["optimizer"])
                checked.findings.error(
                    "MIX703",
                    "`optimizer = muon` needs whole matrices, which are split over ranks here",
                    attributes["optimizer"].span,
                    secondary=() if at.is_default else (Label(at.span, "splits them"),),
                    hint="write `zero = 0` and `ranks = 1`, or `optimizer = adamw`",
                )
        elif (
            is_written(attributes, "ranks")
            and ranks == 1
            and is_written(attributes, "zero")
            and value_of(attributes, "zero")
        ):
            checked.findings.lint(
                "MIX702",
                f"`zero = {value_of(attributes, 'zero')}` divides nothing with one rank",
                attributes["zero"].span,
                secondary=(Label(attributes["ranks"].span, "one rank"),),
                hint="write `zero = 0`, or more ranks",
            )


def check_sharing(checked: Checked) -> None:
    """MIX753: sequences shared by ranks among which ranks or heads do not divide."""
    for train in checked.program.trains.values():
        attributes = train.attributes
        size = value_of(attributes, "sequence_parallel", 1)
        if not isinstance(size, int) or size < 2 or not checked.clean(train.span):
            continue
        ranks = _ranks(attributes) or (1 if value_of(attributes, "optimizer") == "muon" else None)
        if ranks and ranks % size:
            by = next(n for n in range(min(size, ranks), 0, -1) if ranks % n == 0)
            checked.findings.error(
                "MIX753",
                f"{size} ranks to a sequence do not divide {ranks} rank{'s' * (ranks > 1)}",
                attributes["sequence_parallel"].span,
                hint=f"write `sequence_parallel = {by}`, or another number of ranks",
            )
            continue
        from mixwright_compiler.hardware.model import shape_of

        model = shape_of({name: bound.value for name, bound in attributes.items()}, checked.world.directory)
        if model is None:
            continue
        shape, name = model
        if shape.sharing(size) != size:
            checked.findings.error(
                "MIX753",
                f"{size} ranks to a sequence do not divide the heads of {name}",
                attributes["sequence_parallel"].span,
                f"{shape.heads} heads of queries, {shape.kv_heads} of keys",
                hint=f"write `sequence_parallel = {shape.sharing(size)}`",
            )


def check_memory(checked: Checked) -> None:
    """MIX720: a model that the GPUs of `cluster` cannot hold, whatever the data."""
    for train in checked.program.trains.values():
        cluster = value_of(train.attributes, "cluster")
        if not isinstance(cluster, dict) or not cluster.get("gpu") or not checked.clean(train.span):
            continue
        from mixwright_compiler.hardware.fit import load_of, remedies
        from mixwright_compiler.hardware.machines import MACHINES
        from mixwright_compiler.hardware.model import shape_of

        machine = MACHINES.get(str(cluster.get("gpu") or ""))
        gpus = int(cluster.get("gpus") or 0) * int(cluster.get("nodes") or 1)
        attributes = {name: bound.value for name, bound in train.attributes.items()}
        model = shape_of(attributes, checked.world.directory) if machine and gpus else None
        if machine is None or model is None:
            continue
        shape, name = model
        load = load_of(
            attributes,
            shape,
            # A rank may have one sequence in a step; padded ones may all be short.
            micro_batch=1,
            width=int(attributes["context"]) if _is_packed(train.attributes) else 1,
        )
        if load.fits(machine, gpus):
            continue
        ways = remedies(load, machine, gpus)
        needed = load.memory(gpus).total / 1e9
        checked.findings.error(
            "MIX720",
            f"`{train.name}` needs {needed:,.0f} GB on each GPU, {machine.name} has {machine.memory_bytes / 1e9:.0f}",
            train.attributes["cluster"].span,
            f"{name}, {shape.parameters / 1e9:.1f} B parameters, on {gpus} GPU{'s' if gpus > 1 else ''}",
            hint=f"write {' or '.join(f'`{way.change}`' for way in ways[:3])}" if ways else "a smaller model",
        )


def _is_packed(attributes: Any) -> bool:
    return bool(value_of(attributes, "packing") != "none")


def _ranks(attributes: Any) -> int | None:
    """Processes of the job, where the spec says it."""
    ranks = value_of(attributes, "ranks")
    if isinstance(ranks, int):
        return ranks
    cluster = value_of(attributes, "cluster")
    if isinstance(cluster, dict) and isinstance(cluster.get("gpus"), int):
        return int(cluster["gpus"]) * int(cluster.get("nodes") or 1)
    return None


def check_starts(checked: Checked) -> None:
    """MIX704: an architecture that cannot be built. MIX709: no tokenizer for a fresh model."""
    for train in checked.program.trains.values():
        bound = train.attributes.get("architecture")
        if bound is None or not checked.clean(train.span):
            continue
        if not isinstance(bound.value, dict):
            checked.findings.error(
                "MIX704",
                "`architecture` takes an object",
                bound.span,
                hint="write `architecture = { hidden = 128, layers = 2, heads = 4, kv_heads = 2, ffn = 384 }`",
            )
            continue
        problem = _architecture_problem(bound.value)
        if problem is not None:
            checked.findings.error("MIX704", problem[0], bound.span, hint=problem[1])
        if not any(is_written(train.attributes, name) for name in ("tokenizer", "vocabulary")):
            checked.findings.error(
                "MIX709",
                f"train `{train.name}` starts from a fresh architecture and has no `tokenizer`",
                bound.span,
                "a fresh model has no tokenizer of its own",
                hint='add `tokenizer = "tokenizer"`, a directory, or `vocabulary = 512` to make one from the mixture',
            )


def _architecture_problem(sizes: dict[str, Any]) -> tuple[str, str] | None:
    unknown = next((k for k in sizes if k not in (*SIZES, "tie")), None)
    if unknown is not None:
        near = nearest(unknown, (*SIZES, "tie"))
        return (
            f"`architecture` has no `{unknown}`",
            did_you_mean(near, f"it takes: {listing((*SIZES, 'tie'))}"),
        )
    for name in SIZES:
        value = sizes.get(name)
        if isinstance(value, int | float) and value > MOST:
            return f"`architecture.{name}` is at most {MOST:,}, here {value:g}", f"write `{name} = 4096`"
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or value != int(value):
            found = "nothing" if value is None else value
            return f"`architecture.{name}` is a whole number above 0, here {found}", f"add `{name} = 4`"
    hidden, heads, kv_heads = int(sizes["hidden"]), int(sizes["heads"]), int(sizes["kv_heads"])
    if hidden % heads:
        return (
            f"hidden = {hidden} is not a multiple of heads = {heads}",
            f"write `hidden = {-(-hidden // heads) * heads}`",
        )
    if heads % kv_heads:
        return f"heads = {heads} is not a multiple of kv_heads = {kv_heads}", f"write `kv_heads = {heads}`"
    return None


def check_effects(checked: Checked) -> None:
    """MIX750: a training that would train nothing. MIX751: offload without ZeRO-3."""
    for train in checked.program.trains.values():
        attributes = train.attributes
        if not checked.clean(train.span):
            continue
        if value_of(attributes, "epochs") == 0 and not is_written(attributes, "steps"):
            checked.findings.error(
                "MIX750",
                "`epochs = 0` trains nothing",
                attributes["epochs"].span,
                hint="write `epochs = 1`, or `steps = 10` for a short try",
            )
        if value_of(attributes, "learn") == []:
            checked.findings.error(
                "MIX750",
                "`learn = []` leaves nothing to train",
                attributes["learn"].span,
                hint="write `learn = [answers]`, or delete it for all there is",
            )
        offload, zero = value_of(attributes, "offload"), value_of(attributes, "zero")
        if offload not in (None, "none") and zero != 3:
            checked.findings.error(
                "MIX751",
                f"`offload = {offload}` needs `zero = 3`, here {zero}",
                attributes["offload"].span,
                secondary=(Label(attributes["zero"].span, "divides less"),)
                if is_written(attributes, "zero")
                else (),
                hint="write `zero = 3`, or delete `offload`",
            )


def check_lengths(checked: Checked) -> None:
    """MIX707: a warm-up that never ends. MIX711: both epochs and steps. MIX408: answers longer than a sequence."""
    for train in checked.program.trains.values():
        attributes = train.attributes
        if not checked.clean(train.span):
            continue
        if value_of(attributes, "warmup", 0) >= 1:
            checked.findings.error(
                "MIX707",
                "a warm-up of 100% ends with the training",
                attributes["warmup"].span,
                "the rate never reaches its peak",
                hint="write `warmup = 3%`",
            )
        if is_written(attributes, "steps") and is_written(attributes, "epochs"):
            checked.findings.warning(
                "MIX711",
                "`steps` takes the place of `epochs`",
                attributes["epochs"].span,
                "has no effect",
                secondary=(Label(attributes["steps"].span, "decides"),),
                hint="delete it, or `steps`",
            )
        context = value_of(attributes, "context")
        for pipeline in checked.pipelines_under(train.mixture):
            for step in pipeline.steps:
                most = value_of(step.attributes, "max_tokens")
                if (
                    isinstance(most, int)
                    and isinstance(context, int)
                    and most > context
                    and checked.clean(step.span)
                ):
                    at = step.attributes["max_tokens"]
                    checked.findings.warning(
                        "MIX408",
                        f"answers of up to {most:,} tokens are cut to {context:,} in training",
                        step.kind_span if at.is_default else at.span,
                        f"in `{pipeline.name}`",
                        secondary=(Label(attributes["context"].span, "longest sequence of the training"),),
                        hint=f"write `max_tokens = {context // 2}`, or a longer `context` in the train",
                    )


def check_rates(checked: Checked) -> None:
    """MIX760: numbers of the optimizer and its schedule that cannot be, or that another attribute makes idle."""
    for train in checked.program.trains.values():
        if checked.clean(train.span):
            problem = _rate_problem(train.attributes)
            if problem is not None:
                name, message, hint = problem
                checked.findings.error("MIX760", message, train.attributes[name].span, hint=hint)


def check_parts(checked: Checked) -> None:
    """MIX762: rates or frozen parts that are not written as patterns, or go with another way of training parts."""
    for train in checked.program.trains.values():
        attributes = train.attributes
        if not checked.clean(train.span):
            continue
        rates, frozen = value_of(attributes, "rates"), value_of(attributes, "frozen")
        if rates is not None and not (isinstance(rates, list) and all(map(_is_rate, rates))):
            checked.findings.error(
                "MIX762",
                "`rates` is a list of patterns with a rate of at least 0 each",
                attributes["rates"].span,
                hint='write `rates = [{ of = "*embed_tokens*", rate = 1e-6 }]`',
            )
        for name, value in (("rates", rates), ("frozen", frozen)):
            other = "lora" if value_of(attributes, "lora") else "optimizer"
            if value and (other == "lora" or value_of(attributes, "optimizer") == "muon"):
                checked.findings.error(
                    "MIX762",
                    f"`{name}` is of AdamW on the model's own weights",
                    attributes[name].span,
                    secondary=(Label(attributes[other].span, "trains other parts"),),
                    hint=f"delete `{name}`, or write `optimizer = adamw` without `lora`",
                )


def check_new_tokens(checked: Checked) -> None:
    """MIX763: texts that cannot be tokens, and new tokens beside adapters, which train no embeddings."""
    for train in checked.program.trains.values():
        attributes = train.attributes
        if not checked.clean(train.span):
            continue
        written = {name: value_of(attributes, name) or [] for name in ("new_tokens", "new_special_tokens")}
        name = next((name for name, tokens in written.items() if tokens), None)
        if name is None:
            continue
        from mixwright_compiler.catalog.new_tokens import token_problem

        problem = token_problem([token for tokens in written.values() for token in tokens])
        if problem is not None:
            token, message = problem
            # Of two equal ones the second is too many.
            at = next(name for name in reversed(written) if token in written[name])
            kept = list(dict.fromkeys(t.strip() for t in written[at] if t.strip()))
            if at == "new_special_tokens":
                kept = [t for t in kept if t not in written["new_tokens"]]
            listed = ", ".join(f'"{t}"' for t in kept)
            checked.findings.error(
                "MIX763",
                message,
                attributes[at].span,
                hint=f"write `{at} = [{listed}]`" if kept else f"delete `{at}`",
            )
        elif value_of(attributes, "lora"):
            checked.findings.error(
                "MIX763",
                "new tokens are learned in the embeddings, which `lora` does not train",
                attributes[name].span,
                secondary=(Label(attributes["lora"].span, "trains adapters alone"),),
                hint=f"delete `lora` or `{name}`",
            )


def _is_rate(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and set(given) == {"of", "rate"}
        and isinstance(given["of"], str)
        and isinstance(given["rate"], int | float)
        and not isinstance(given["rate"], bool)
        and given["rate"] >= 0
    )


def _rate_problem(attributes: Any) -> tuple[str, str, str] | None:
    """The attribute at fault, what is wrong, and what to write instead."""
    betas, eps = value_of(attributes, "betas"), value_of(attributes, "eps")
    if betas is not None and (len(betas) != 2 or not all(0 <= beta < 1 for beta in betas)):
        found = ", ".join(f"{beta:g}" for beta in betas)
        return (
            "betas",
            f"`betas` are two numbers, each at least 0 and under 1, here [{found}]",
            "write `betas = [0.9, 0.95]`",
        )
    if eps is not None and eps <= 0:
        return "eps", f"`eps` is above 0, here {eps:g}", "write `eps = 1e-8`"
    if value_of(attributes, "learning_rate") == 0:
        return "learning_rate", "a learning rate of 0 trains nothing", "write `learning_rate = 2e-5`"
    schedule, decay = value_of(attributes, "schedule"), value_of(attributes, "decay")
    if is_written(attributes, "decay") and schedule != "wsd":
        return (
            "decay",
            f"`decay` is of `schedule = wsd`, here it is {schedule}",
            "write `schedule = wsd`, or delete `decay`",
        )
    warmup = value_of(attributes, "warmup", 0)
    if schedule == "wsd" and warmup + decay > 1:
        return (
            "decay" if is_written(attributes, "decay") else "warmup",
            f"a warm-up of {warmup:.0%} and a decay of {decay:.0%} are more than all steps",
            "write `warmup = 3%, decay = 20%`",
        )
    least, peak = value_of(attributes, "min_learning_rate"), value_of(attributes, "learning_rate")
    if least is not None and schedule == "constant":
        return (
            "min_learning_rate",
            "`schedule = constant` stays at its peak, and `min_learning_rate` has no effect",
            "write `schedule = cosine`, or delete `min_learning_rate`",
        )
    if least is not None and least > peak:
        return (
            "min_learning_rate",
            f"the rate would end at {least:g}, above its peak of {peak:g}",
            f"write `min_learning_rate = {peak / 10:g}`",
        )
    return None
