"""What `mixwright init` can begin a project with: the templates, and the files of each.

A template's own files lie below `project_files/NAME`, those of every project below `project_files/every`. What the
repository has elsewhere as well, the quickstart, the small models and the action for GitHub, is taken from there; a wheel
carries it below `examples`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixwright_compiler.load.project_root import STORE_DIRECTORY

HERE = Path(__file__).resolve().parent
OWN = HERE / "project_files"
EXAMPLES = HERE / "examples"
"""Where an installed package has what a checkout has in `specs/`, and its action."""
ACTION = ".github/actions/mixwright/action.yml"
TRIED = 5
"""Rows that a first run starts; chosen."""

Asks = Literal["the small model", "no model", "a server"]


@dataclass(frozen=True)
class Template:
    """One kind of project. `about` is a sentence, `asks` what a run needs, `spec` is what is run; `extras` are those that
    tests and a run need, `examples` files and folders of the repository's `specs/` that come along, `then` the commands
    after a first run."""

    about: str
    asks: Asks
    spec: str
    extras: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    then: tuple[str, ...] = ()

    def install(self) -> str:
        """What installs Mixwright with all that the project needs."""
        return f"pip install 'mixwright[{','.join(self.extras)}]'" if self.extras else "pip install mixwright"

    def commands(self) -> tuple[str, ...]:
        """What is typed in a new project, in order."""
        return (
            f"mixwright check {self.spec}",
            "mixwright test specs",
            *((f"mixwright plan {self.spec}",) if self.asks == "a server" else ()),
            f"mixwright run {self.spec} --limit {TRIED}",
            *self.then,
        )


DEFAULT = "quickstart"
TEMPLATES: dict[str, Template] = {
    DEFAULT: Template(
        "from nothing to a trained model in three minutes on two CPU cores",
        "the small model",
        "specs/quickstart.mix",
        ("math", "train"),
        (
            "quickstart.mix",
            "quickstart.lock",
            "tiny/teacher.mix",
            "tiny/teacher.lock",
            "tiny/ablation.mix",
            "tiny/ablation.lock",
            "tiny/model",
        ),
        ("mixwright run specs/quickstart.mix && mixwright train specs/quickstart.mix",),
    ),
    "persona-math": Template(
        "math problems for personas, kept where several solutions agree",
        "the small model",
        "specs/persona_math.mix",
        ("math", "transformers"),
        ("tiny/model",),
    ),
    "translate": Template(
        "sentences in another language, held against their way back",
        "the small model",
        "specs/translate.mix",
        ("lang", "transformers"),
        ("tiny/methods_model",),
    ),
    "distill": Template(
        "a teacher's right answers, and a student that is trained on them",
        "the small model",
        "specs/distill.mix",
        ("math", "train"),
        ("tiny/model",),
        ("mixwright run specs/distill.mix && mixwright train specs/distill.mix",),
    ),
    "sharegpt-import": Template(
        "conversations of your own in ShareGPT's form, cleaned", "no model", "specs/conversations.mix"
    ),
    "openai": Template(
        "answers of a hosted model to your instructions, judged, within a budget",
        "a server",
        "specs/answers.mix",
        ("openai",),
    ),
    "vllm": Template(
        "instructions and answers of a vLLM server, as JSON that it is held to",
        "a server",
        "specs/instructions.mix",
        ("openai", "schema"),
    ),
}


def project_files(name: str) -> dict[str, bytes]:
    """The files of a new project by their names in it. Its README.md is the template's, then that of every project.

    Raises:
        KeyError: there is no such template.
    """
    found: dict[str, bytes] = {}
    for target, path in _files(name, TEMPLATES[name]):
        found[target] = found.get(target, b"") + path.read_bytes()
    return dict(sorted(found.items()))


def _files(name: str, template: Template) -> Iterator[tuple[str, Path]]:
    for root in (OWN / name, OWN / "every"):
        yield from ((path.relative_to(root).as_posix(), path) for path in _below(root))
    installed = EXAMPLES.is_dir()
    specs = EXAMPLES if installed else HERE.parent / "specs"
    for example in template.examples:
        yield from ((f"specs/{path.relative_to(specs).as_posix()}", path) for path in _below(specs / example))
    yield ACTION, (EXAMPLES if installed else HERE.parent) / "action.yml"


def _below(place: Path) -> Iterator[Path]:
    for path in sorted([place, *place.rglob("*")]):
        if path.is_file() and STORE_DIRECTORY not in path.parts:
            yield path
