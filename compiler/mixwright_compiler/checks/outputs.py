"""90x: outputs that would be written over each other, or over what the project needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mixwright_compiler.bind.lock import lock_path
from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.load.project_root import store_directory
from mixwright_compiler.plan.file_places import parts_of, relation
from mixwright_compiler.program import Declared, ExportDecl, TrainDecl
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span

MODEL_PATHS = ("path", "base", "tokenizer")
"""Attributes of models and trains that name a model: a train may write what another one starts from."""


@dataclass(frozen=True)
class _Output:
    """A directory that an export or a train writes."""

    declared: Declared
    attribute: str
    place: Path

    @property
    def words(self) -> str:
        return f"{'export' if isinstance(self.declared, ExportDecl) else 'train'} `{self.declared.name}`"

    @property
    def span(self) -> Span:
        return self.declared.attributes[self.attribute].span

    @property
    def written(self) -> str:
        return str(self.declared.attributes[self.attribute].value)


@dataclass(frozen=True)
class _Needed:
    """Something of the project that no output may replace. span: where the spec names it, if it does."""

    words: str
    place: Path
    span: Span | None = None


def check_outputs(checked: Checked) -> None:
    """MIX903: an output at, around or inside what the project needs. MIX909: two outputs at one place."""
    before: list[_Output] = []
    for output in _outputs(checked):
        if not _check_needed(checked, output):
            _check_others(checked, output, before)
            before.append(output)


def _outputs(checked: Checked) -> Iterator[_Output]:
    exports = ((export, "path") for export in checked.program.exports.values())
    trains = ((train, "output") for train in checked.program.trains.values())
    for one, attribute in (*exports, *trains):
        bound = one.attributes.get(attribute)
        if bound is not None:
            yield _Output(one, attribute, checked.world.directory / str(bound.value))


def _check_needed(checked: Checked, output: _Output) -> bool:
    """Report what an output would meet; was there something?"""
    for needed in _needed(checked, output):
        how = relation(output.place, needed.place)
        if not how:
            continue
        checked.findings.error(
            "MIX903",
            f"{output.words} would write to `{output.written}`, which {how} {needed.words}",
            output.span,
            "an output needs a directory of its own",
            secondary=() if needed.span is None else (Label(needed.span, "named here"),),
            hint=f'for example `{output.attribute} = "{_free(checked, output)}"`',
        )
        return True
    return False


def _check_others(checked: Checked, output: _Output, others: list[_Output]) -> None:
    for other in others:
        how = relation(output.place, other.place)
        if not how:
            continue
        both = f"{output.words} and {other.words}"
        checked.findings.error(
            "MIX909",
            f"{both} write to `{output.written}`"
            if how == "is"
            else f"{both} write to one place: `{output.written}` {how} `{other.written}`",
            output.span,
            "the second replaces the first" if how == "is" else "each needs a directory of its own",
            secondary=(Label(other.span, f"`{other.declared.name}` writes here"),),
            hint=f'choose another directory: `{output.attribute} = "{_free(checked, output)}"`',
        )
        return


def _needed(checked: Checked, output: _Output) -> Iterator[_Needed]:
    world = checked.world
    for module in world.modules:
        if module.source.path is not None:
            yield _Needed(f"the spec {module.source.path.name}", module.source.path.absolute())
    if world.spec.source.path is not None:
        lock = lock_path(world.spec.source.path.absolute())
        yield _Needed(f"the lock {lock.name}", lock)
    yield _Needed("the repository's .git", world.root / ".git")
    for inside in (output.place, *output.place.parents):
        if parts_of(str(inside))[-1:] == (".git",):
            yield _Needed("a .git", inside)
    yield _Needed("the store .mixwright", store_directory(world.root))
    models = {_at(span) for span in _model_spans(checked)}
    written = {_at(one.span) for one in _outputs(checked)}
    for span, place in world.paths:
        if _at(span) in written or (isinstance(output.declared, TrainDecl) and _at(span) in models):
            continue
        yield _Needed(f"a path that is read: `{span.text}`", place, span)


def _model_spans(checked: Checked) -> Iterator[Span]:
    program = checked.program
    for declared in (*program.models.values(), *program.trains.values()):
        for name in MODEL_PATHS:
            if name in declared.attributes:
                yield declared.attributes[name].span
    for pipeline in program.pipelines.values():
        for step in pipeline.steps:
            if "base" in step.attributes:
                yield step.attributes["base"].span


def _at(span: Span) -> tuple[int, int]:
    return id(span.source), span.start


def _free(checked: Checked, output: _Output) -> str:
    """A directory that meets nothing, named after the output."""
    name = output.declared.name
    taken = [n.place for n in _needed(checked, output)] + [
        o.place for o in _outputs(checked) if o.declared is not output.declared
    ]
    tries = (f"out/{name}", f"output/{name}", f"out-{name}", *(f"out/{name}-{n}" for n in range(2, 9)))
    free = (t for t in tries if not any(relation(checked.world.directory / t, place) for place in taken))
    return next(free, f"out/{name}-9")
