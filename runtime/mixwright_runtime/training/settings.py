"""The settings of a training job: a plan's attributes, checked together and with paths resolved."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, cast

from mixwright_compiler.catalog.new_tokens import token_problem
from mixwright_compiler.plan.plan import Train
from mixwright_compiler.templates.chat_template import file_text, is_a_file, syntax_problem
from mixwright_runtime.errors import RunError


@dataclass(frozen=True)
class Architecture:
    """A Llama of these sizes with fresh weights. `hidden / heads` is the size of a head."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    tie: bool


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters; `layers` empty means every linear layer but the head."""

    rank: int
    alpha: int
    dropout: float
    layers: tuple[str, ...]


HELD_OUT = "held_out"
"""Name of the loss of held-out examples among what is measured while training."""


@dataclass(frozen=True)
class Measure:
    """What is measured every so many steps. `best` decides which weights are kept, and with `patience` when to stop."""

    every: int
    on: tuple[str, ...]
    best: str | None
    patience: int | None
    problems: str = ""
    """Digest of the evaluations' problems and of what grades them; of them the weights may depend."""

    @property
    def is_loss(self) -> bool:
        return self.best == HELD_OUT

    @property
    def evaluations(self) -> tuple[str, ...]:
        """What is measured besides the loss: evaluations, or one verifier of theirs."""
        return tuple(name for name in self.on if name != HELD_OUT)

    def asks(self, evaluation: str) -> bool:
        """Is the evaluation of this name made while it trains?"""
        return any(is_of(name, evaluation) for name in self.evaluations)


def is_of(measure: str, evaluation: str) -> bool:
    """Is it a measure of this evaluation: its name, or with one verifier's id behind it? Names have points of their own
    where a set is imported."""
    return measure == evaluation or measure.startswith(f"{evaluation}.")


@dataclass(frozen=True)
class Rate:
    """The peak learning rate of the parameters whose names match the pattern `of`."""

    of: str
    rate: float


@dataclass(frozen=True)
class NewTokens:
    """Tokens that the base's tokenizer gets: plain ones may stand in rows, special ones in the template alone."""

    plain: tuple[str, ...]
    special: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """In the order of their ids."""
        return self.plain + self.special


@dataclass(frozen=True)
class TrainSettings:
    """What decides a training run. Shares are 0..1; `place` is a directory or a repository."""

    place: str
    is_local: bool
    revision: str
    architecture: Architecture | None
    tokenizer: str
    vocabulary: int | None
    """Size of a tokenizer that is still to be made; then `tokenizer` is empty."""
    context: int
    packing: Literal["best_fit", "auto", "none"]
    zero: int
    precision: Literal["bf16", "fp32"]
    recompute: bool
    epochs: float
    steps: int | None
    learning_rate: float
    schedule: Literal["linear", "cosine", "constant", "wsd"]
    warmup: float
    batch: int
    micro_batch: int
    weight_decay: float
    clip: float
    seed: int
    loss: Literal["token", "example", "sum"]
    attention: Literal["auto", "varlen", "flash", "flex", "sdpa", "eager"]
    chunked_loss: Literal["auto", "on", "off"]
    learn: tuple[str, ...]
    turns: Literal["all", "last"]
    overlong: Literal["truncate", "drop", "split"]
    optimizer: Literal["adamw", "muon"]
    muon_learning_rate: float
    init_std: float
    save_as: Literal["bf16", "fp32"]
    checkpoints: int
    holdout: float
    offload: Literal["none", "optimizer", "all"]
    lora: Lora | None
    ranks: int
    """Processes of the job, over all nodes."""
    sequence_parallel: int
    """Ranks that share each sequence."""
    nodes: int
    decay: float
    min_learning_rate: float | None = None
    betas: tuple[float, float] | None = None
    eps: float | None = None
    measure: Measure | None = None
    rates: tuple[Rate, ...] | None = None
    frozen: tuple[str, ...] | None = None
    chat_template: str | None = None
    """Text of a template that takes the place of the tokenizer's own."""
    new_tokens: NewTokens | None = None

    def start(self, directory: Path) -> tuple[str, str]:
        """Place and revision of the model whose weights a job in this directory starts from.

        A fresh model, and one with rows for new tokens, is written there before any rank starts.
        """
        if self.architecture is None and self.new_tokens is None:
            return self.place, self.revision
        return str(directory / "initial"), ""

    @property
    def groups(self) -> int:
        """Ranks, or groups of ranks, that have sequences of their own."""
        return self.ranks // self.sequence_parallel

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    def fingerprint(self, packed_digest: str, base_digest: str) -> str:
        """Hex digest of what decides the weights: not how many ranks there are or how they share the work."""
        values = {
            name: value
            for name, value in asdict(self).items()
            if name not in _UNDECISIVE and not (name in _OPTIONAL and value is None)
        }
        if self.schedule != "wsd":
            del values["decay"]
        if self.measure is not None and self.measure.best is None:
            del values["measure"]  # it only looks
        parts = json.dumps(["mixwright.train.v1", values, packed_digest, base_digest], sort_keys=True)
        return blake2b(parts.encode(), digest_size=16).hexdigest()


_UNDECISIVE = frozenset(
    (
        "place",
        "tokenizer",
        "micro_batch",
        "checkpoints",
        "ranks",
        "nodes",
        "recompute",
        "offload",
        "attention",
        "chunked_loss",
        "sequence_parallel",
    )
)
"""Settings that change how a job is run and not the weights it ends with."""
_OPTIONAL = tuple(f.name for f in fields(TrainSettings) if f.default is None)
"""Settings of which a job without them is the job that it was before there were any."""


def settings_of(
    train: Train,
    directory: Path,
    *,
    ranks: int | None = None,
    steps: int | None = None,
    nodes: int | None = None,
) -> TrainSettings:
    """The settings of a `train` block; `ranks` (of each node), `steps` and `nodes` override it.

    Raises:
        RunError: attributes that contradict each other, or files that are missing.
    """
    given = train.attributes
    name = f"train '{train.name}'"
    architecture = _architecture(name, given.get("architecture"))
    nodes = nodes or int((given.get("cluster") or {}).get("nodes") or 1)
    starts = [word for word in ("base", "repo", "architecture") if given.get(word)]
    if len(starts) != 1:
        raise RunError(
            f"{name} needs one of `base`, `repo` and `architecture`, has {' and '.join(starts) or 'none'}"
        )
    place = str(given.get("repo") or "")
    if given.get("base"):
        place = str(_directory(name, "base", directory / given["base"], "config.json"))
    tokenizer = place
    if given.get("tokenizer"):
        tokenizer = str(_directory(name, "tokenizer", directory / given["tokenizer"], "tokenizer.json"))
    vocabulary = int(given["vocabulary"]) if given.get("vocabulary") else None
    if bool(tokenizer) == bool(vocabulary):
        raise RunError(
            f"{name}: a fresh `architecture` needs one of `tokenizer` and `vocabulary`, nothing else does"
        )
    settings = TrainSettings(
        place=place,
        is_local=not given.get("repo"),
        revision=str(given.get("revision") or ""),
        architecture=architecture,
        tokenizer=tokenizer,
        vocabulary=vocabulary,
        ranks=(ranks or _ranks(given)) * nodes,
        nodes=nodes,
        lora=_lora(given.get("lora")),
        steps=steps if steps is not None else given.get("steps"),
        betas=_betas(name, given.get("betas")),
        min_learning_rate=given.get("min_learning_rate"),
        eps=given.get("eps"),
        measure=_measure(given.get("measure")),
        rates=tuple(Rate(str(r["of"]), float(r["rate"])) for r in given.get("rates") or ()) or None,
        frozen=tuple(given.get("frozen") or ()) or None,
        chat_template=template_of(given, directory),
        new_tokens=new_tokens_of(given),
        **{**{field: given[field] for field in _PLAIN}, "learn": tuple(sorted(set(given["learn"])))},
    )
    if settings.offload != "none" and settings.zero != 3:
        raise RunError(
            f"{name}: `offload = {settings.offload}` needs `zero = 3` (has zero = {settings.zero})"
        )
    if settings.measure is not None and settings.measure.evaluations and nodes > 1:
        raise RunError(f"{name}: evaluations while it trains are made on one node, here {nodes}")
    if (settings.rates or settings.frozen) and (settings.lora is not None or settings.optimizer == "muon"):
        raise RunError(f"{name}: `rates` and `frozen` are of AdamW without `lora`")
    if settings.new_tokens is not None and settings.lora is not None:
        raise RunError(f"{name}: `lora` trains no embeddings, which new tokens need; delete one of them")
    if settings.optimizer == "muon" and settings.lora is not None:
        raise RunError(f"{name}: `lora` needs `optimizer = adamw`")
    if settings.optimizer == "muon" and (settings.zero or settings.ranks > 1):
        raise RunError(
            f"{name}: `optimizer = muon` needs whole matrices: write `zero = 0` and `ranks = 1`, "
            f"or `optimizer = adamw` (has zero = {settings.zero}, ranks = {settings.ranks})"
        )
    if settings.ranks % settings.sequence_parallel:
        raise RunError(
            f"{name}: `sequence_parallel = {settings.sequence_parallel}` does not divide {settings.ranks} ranks"
        )
    return settings


_PLAIN = tuple(
    f.name
    for f in fields(TrainSettings)
    if f.name
    not in (
        "place",
        "is_local",
        "revision",
        "architecture",
        "tokenizer",
        "vocabulary",
        "ranks",
        "nodes",
        "steps",
        "lora",
        *_OPTIONAL,
    )
)


def template_of(given: dict[str, Any], directory: Path) -> str | None:
    """The chat template that a `train` block states; None where it leaves the tokenizer its own.

    Raises:
        RunError: it names a file that is not there, or is no Jinja.
    """
    written = given.get("chat_template")
    if not written:
        return None
    text = str(written)
    if is_a_file(text):
        try:
            text = file_text(directory / text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise RunError(f"`chat_template`: {directory / text} cannot be read: {reason}") from error
    problem = syntax_problem(text)
    if problem is not None:
        where = f", line {problem.line}" if problem.line else ""
        raise RunError(f"`chat_template`{where} {problem.message}")
    return text


def new_tokens_of(given: dict[str, Any]) -> NewTokens | None:
    """The tokens that a `train` block adds; None where it adds none.

    Raises:
        RunError: one that is empty, has a space at an end, or stands there twice.
    """
    found = NewTokens(tuple(given.get("new_tokens") or ()), tuple(given.get("new_special_tokens") or ()))
    problem = token_problem(found.all)
    if problem is not None:
        raise RunError(problem[1])
    return found if found.all else None


def _measure(given: Any) -> Measure | None:
    if not given:
        return None
    best = given.get("best")
    on = dict.fromkeys([*given["on"], *([best] if best else [])])
    patience = given.get("patience")
    return Measure(int(given["every"]), tuple(on), best, int(patience) if patience else None)


def _betas(name: str, given: Any) -> tuple[float, float] | None:
    if not given:
        return None
    if len(given) != 2 or not all(0 <= beta < 1 for beta in given):
        raise RunError(f"{name}: `betas` are two numbers, each at least 0 and under 1, here {given}")
    return float(given[0]), float(given[1])


def _lora(given: Any) -> Lora | None:
    if not given:
        return None
    return Lora(
        int(given["rank"]), int(given["alpha"]), float(given["dropout"]), tuple(given["layers"] or ())
    )


def _architecture(name: str, given: Any) -> Architecture | None:
    if not given:
        return None
    sizes = ("hidden", "layers", "heads", "kv_heads", "ffn")
    wanted = {"kv_heads": given.get("heads"), "tie": True, **given}
    unknown = sorted(set(wanted) - {*sizes, "tie"})
    if unknown:
        raise RunError(f"{name}: `architecture` has no `{unknown[0]}`; it takes {', '.join(sizes)} and tie")
    for size in sizes:
        value = wanted.get(size)
        if isinstance(value, float) and value.is_integer():
            value = wanted[size] = int(value)
        if not isinstance(value, int) or value < 1:
            raise RunError(f"{name}: `architecture.{size}` must be a whole number above 0, is {value}")
    if wanted["hidden"] % wanted["heads"] or wanted["heads"] % wanted["kv_heads"]:
        raise RunError(f"{name}: `hidden` must be a multiple of `heads`, and `heads` of `kv_heads`")
    return Architecture(**wanted)


def _directory(name: str, attribute: str, path: Path, needed: str) -> Path:
    if not (path / needed).is_file():
        raise RunError(f"{name}: `{attribute}` has no {needed}: {path}")
    return path.resolve()


def _ranks(given: dict[str, Any]) -> int:
    """Processes of a node: as many as the spec says, else one for each GPU, else two on the CPU."""
    if given.get("ranks"):
        return int(given["ranks"])
    cluster = cast(dict[str, Any], given.get("cluster") or {})
    from mixwright_runtime.errors import require

    gpus = int(require("torch", "train", "training").cuda.device_count())
    if gpus:
        return min(gpus, int(cluster.get("gpus") or gpus))
    return 1 if given["optimizer"] == "muon" else 2
