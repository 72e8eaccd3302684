"""Source kind `natural_instructions`: task files of Super-NaturalInstructions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import cleaned, files_of, named
from mixwright_runtime.sources.json_document import document_of

LISTS = {
    "Categories": "categories",
    "Reasoning": "reasoning",
    "Domains": "domains",
    "Source": "sources",
    "Input_language": "input_language",
    "Output_language": "output_language",
    "Instruction_language": "instruction_language",
}
"""Keys of a task that hold a list of words, in some files a word alone -> column."""


@declare(
    "source",
    "natural_instructions",
    attributes=(
        attribute(
            "path",
            "path",
            "the task files, a glob such as `tasks/task*.json`; `.gz` is read as is",
            default=REQUIRED,
        ),
        attribute(
            "most", "count", "takes the first this many instances of each task; all without it", minimum=1
        ),
        *SOURCE,
    ),
)
class NaturalInstructions:
    """Rows from task files of Super-NaturalInstructions (Wang et al. 2022), one for each instance.

    A task file is one JSON object with a definition, examples and some thousand instances. A row has

    | column | |
    |---|---|
    | `task` | the file's name, as `task001_quoref_question_generation` |
    | `id` | the instance's own, or `TASK-NUMBER` |
    | `definition`, `input` | what is to be done, and with what |
    | `output`, `outputs` | the first right output, and all of them |
    | `positive`, `negative` | the task's examples: `input`, `output`, `explanation` |
    | `categories`, `reasoning`, `domains`, `sources` | lists of words |
    | `input_language`, `output_language`, `instruction_language` | lists of words |

    A definition in parts is joined by line ends, and a word where a list is expected is a list of one: files differ in
    both. An instance without an output stops the run with its file and number. A file is read whole.

        source niv2 natural_instructions { path = "tasks/*.json", most = 5_000 }      # the cap of FLAN 2022
    """

    revision = ""

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self.directory = directory
        self.files = files_of(str(spec.attributes["path"]), directory, self.what)
        self._most: int | None = spec.attributes.get("most")

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each instance with its place, `file#Instances[N]`."""
        for file in self.files:
            name = named(file, self.directory)
            task = cleaned(document_of(file, name, self.what))
            shared = self._shared(task, name)
            shared["task"] = stem = file.name.removesuffix(".gz").removesuffix(".json")
            for number, instance in enumerate(self._list(task, "Instances", name)[: self._most]):
                place = f"{name}#Instances[{number}]"
                outputs = [text for text in _words(instance.get("output")) if text]
                if not isinstance(instance.get("input"), str) or not outputs:
                    raise RunError(f"{self.what}: {place}: an instance needs `input` and `output`")
                row = {"id": str(instance.get("id") or f"{stem}-{number}"), "input": instance["input"]}
                yield {**shared, **row, "output": outputs[0], "outputs": outputs}, place

    def _shared(self, task: dict[str, Any], name: str) -> dict[str, Any]:
        definition = "\n".join(_words(task.get("Definition")))
        if not definition:
            raise RunError(
                f"{self.what}: {name}: no `Definition`; is it a task file of natural-instructions?"
            )
        return {
            "definition": definition,
            "positive": self._examples(task, "Positive Examples", name),
            "negative": self._examples(task, "Negative Examples", name),
            **{column: _words(task.get(key)) for key, column in LISTS.items()},
        }

    def _examples(self, task: dict[str, Any], key: str, name: str) -> list[dict[str, str]]:
        found = self._list(task, key, name) if key in task else []
        keys = ("input", "output", "explanation")
        return [{k: "\n".join(_words(example.get(k))) for k in keys} for example in found]

    def _list(self, task: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
        found = task.get(key)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise RunError(f"{self.what}: {name}: `{key}` is no list of objects")
        return found


def _words(value: object) -> list[str]:
    """A text, or a list of them, as a list."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item.strip()]
