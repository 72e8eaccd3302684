"""Step `select less`: the rows that move a model most as target examples do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.load.project_root import store_directory
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError, require
from mixwright_runtime.mixture.messages import ChatError, chat_of
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep
from mixwright_runtime.values.ranges import HERE
from mixwright_runtime.values.rows import Dropped, Row

if TYPE_CHECKING:
    from mixwright_runtime.training.influence.settings import LessSettings

_POLL_S = 0.2


@declare(
    "less_block",
    "warmup",
    attributes=(
        attribute("fraction", "share", "part of the rows that it trains on, drawn at random", default=0.05),
        attribute("epochs", "count", "passes over them; each leaves a checkpoint", default=4, minimum=1),
        attribute("batch", "count", "rows of an optimizer step", default=128, minimum=1),
        attribute("learning_rate", "float", "peak rate, after 3% of the steps", default=2e-5, minimum=0.0),
    ),
)
def warmup() -> None:
    """The warm-up training of `select less`: of fresh adapters all rows' gradients are much the same."""


@declare(
    "less_block",
    "lora",
    attributes=(
        attribute("rank", "count", "rank of the adapters", default=128, minimum=1),
        attribute("alpha", "count", "their output is scaled by alpha / rank", default=512, minimum=1),
        attribute("dropout", "share", "in the warm-up alone", default=0.1),
        attribute(
            "layers",
            "list[text]",
            "linear layers that get an adapter, by the end of their names",
            default=["q_proj", "k_proj", "v_proj", "o_proj"],
        ),
    ),
)
def lora() -> None:
    """The adapters of `select less`: gradients are taken over them alone."""


@declare(
    "select",
    "less",
    one_of=(("base",), ("repo",)),
    rules=("targets",),
    breaker=True,
    needs_all_rows=True,
    extra="train",
    modules=("torch", "transformers", "peft"),
    reads=("messages",),
    attributes=(
        attribute("base", "path", "directory of the model"),
        attribute("repo", "text", "Hugging Face repository of the model, instead of `base`"),
        attribute("revision", "text", "commit of that repository"),
        attribute(
            "targets",
            "list[ref:source]",
            "examples of what the model should become good at; each source is a task",
            default=REQUIRED,
        ),
        attribute("user", "name", "column of the targets with the question, where they have no `messages`"),
        attribute("assistant", "name", "column of the targets with the answer"),
        attribute("by", "name", "a column of the targets: each of its values is a task of its own"),
        attribute("shots", "count", "examples of each task that are looked at, the first ones", minimum=1),
        attribute("top", "share", "the part of the rows that is kept", default=0.05, cls="set"),
        attribute("count", "count", "how many rows are kept, instead of `top`", cls="set", minimum=1),
        attribute("warmup", "block:less_block.warmup", "the warm-up training"),
        attribute("lora", "block:less_block.lora", "the adapters"),
        attribute("context", "count", "examples are cut at so many tokens", default=2048, minimum=8),
        attribute("projection", "count", "numbers that a gradient becomes", default=8192, minimum=16),
        attribute(
            "method",
            "enum:sjlt|rademacher",
            "the projection: sparse, or the reference code's dense signs, which take longer",
            default="sjlt",
        ),
        attribute(
            "gradient",
            "enum:adam|sgd|sign",
            "how a row's gradient is shaped; that of a target always stays plain",
            default="adam",
        ),
        attribute(
            "epsilon",
            "enum:inside|outside",
            "Adam's epsilon under the root, as the reference code has it, or behind it, as Adam",
            default="inside",
        ),
        attribute("precision", "enum:bf16|fp32", "of the model on a GPU; fp32 on a CPU", default="bf16"),
        *STEP,
    ),
)
class SelectLess(Keep):
    """Keeps the rows whose gradients point most where those of target examples do (LESS, Xia et al. 2024).

    ```mix
    pipeline chosen {
      from instructions
      chat { user = prompt, assistant = response }
      select less { base = "model", targets = [exam], user = question, assistant = answer, top = 5% }
    }
    ```

    A warm-up trains LoRA adapters on a random part of the rows. Under the weights of each of its epochs every row's
    gradient over the adapters is shaped as Adam would step, projected to `projection` numbers and set to length one;
    likewise every target's, as it is. A row's score is, for its best task, the mean over the task's examples of the
    cosines summed over the epochs, weighted by their mean learning rates; the `top` rows are kept, whatever `top` is
    without computing anything again. Rows must be chats (`messages`), and all of them are started: a share of a
    table needs the table.

    Departures from the reference code, with its constants as defaults: the projection is a sparse Johnson-Lindenstrauss
    transform, 200 times cheaper and of the same error (`method = rademacher` is the original's); dropout is off while
    gradients are taken; tasks may have different numbers of examples; the warm-up draws by this pipeline's seed; `top`
    rounds to the nearest row and not down; the kept rows stay in their order and are not sorted by score, so that a
    mixture which takes fewer of them takes any: to have the best N, say `count = N` here.

    How well `projection` numbers rank rows as the gradients themselves do depends on how far the scores lie apart. Of
    two sets of 200 rows (three seeds; Spearman's rho, and how much of the best 5% is the same), one whose scores
    deviate by 0.002 has 0.79 and 83% at 4,096, 0.86 and 87% at 8,192, 0.91 and 87% at 16,384; one whose scores
    deviate by 0.04 has 0.996 and 97% already at 4,096 (`benchmarks/less_planted.py --agreement`). A larger projection
    costs disk and the time of products, hardly of projecting.

    A row in which nothing is trained is dropped, as is one whose gradient is not finite.

    It runs as a process of its own, on a GPU if there is one, and goes on at the row where it was stopped. Its
    features stay in `.mixwright/less/<digest>`, 2 bytes a number: 16 KiB a row and epoch. With `mixwright run --cluster`
    workers take the features, once the process has warmed up: those that take the same ones to the bit.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._attributes: Mapping[str, Any] = attributes
        self._context = context
        self._top = float(attributes["top"] if attributes.get("top") is not None else 0.05)
        self._count: int | None = attributes.get("count")
        self._facts: dict[str, Any] = {}
        if bool(attributes.get("base")) == bool(attributes.get("repo")):
            raise RunError(f"step '{step.id}': select less needs one of `base` and `repo`")

    async def prepare(self) -> None:
        """Fail before the first row when a package is missing or the targets cannot be trained on.

        Raises:
            MissingExtra: torch, transformers or peft is not installed.
            RunError: a target has no such column.
        """
        for module in ("torch", "transformers", "peft"):
            require(module, "train", "select less")
        await self._context.beside(self._targets)

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Each row with its score, or that it is not among the best. Called once, with all rows."""
        import numpy as np

        from mixwright_runtime.training.influence.score import best

        found, names = self._scores(rows)
        by_name = dict(zip(names, found, strict=True))
        scored = [row for row in rows if np.isfinite(by_name.get(row.row_id.hex(), np.nan))]
        wanted = min(len(scored), self._count if self._count is not None else round(self._top * len(rows)))
        values = np.asarray([by_name[row.row_id.hex()] for row in scored])
        order = best(values, [row.row_id for row in scored], len(scored))
        rank = {scored[int(i)].row_id: place for place, i in enumerate(order, 1)}
        self._facts |= {
            "rows": len(rows),
            "kept": wanted,
            "untrainable": len(rows) - len(by_name),
            "not_finite": len(by_name) - len(scored),
            "lowest_kept": float(values[order[wanted - 1]]) if wanted else None,
            "median": float(np.median(values)) if len(values) else None,
        }
        decided: list[Row | Dropped] = []
        for row in rows:
            place = rank.get(row.row_id)
            if place is None:
                is_known = row.row_id.hex() in by_name
                reason = "less: its gradient is not finite" if is_known else "nothing to train"
                decided.append(Dropped(row, self._step_id, reason, {}))
                continue
            detail = {"score": round(float(by_name[row.row_id.hex()]), 6), "rank": place, "of": len(scored)}
            if place <= wanted:
                decided.append(row)
            else:
                decided.append(Dropped(row, self._step_id, "less: not among the best", detail))
        return decided

    def report(self) -> dict[str, Any]:
        """Rows, how many were kept, the lowest score among them and the median of all."""
        return dict(self._facts)

    def _scores(self, rows: Sequence[Row]) -> tuple[Any, tuple[str, ...]]:
        """The score of every row in which something is trained, and their ids."""
        import numpy as np

        from mixwright_runtime.training.influence.prepare import digest_of, examples_of, write_examples
        from mixwright_runtime.training.influence.score import scores_file
        from mixwright_runtime.training.preview import load_tokenizer

        settings = self._settings()
        tokenizer = load_tokenizer(settings.place, settings.revision)
        chats = [
            {"id": row.row_id.hex(), "messages": self._chat(row), "tools": row.columns.get("tools")}
            for row in rows
        ]
        examples, _ = examples_of(
            sorted(chats, key=lambda chat: str(chat["id"])), tokenizer, settings.context
        )
        targets, tasks = self._targets()
        wanted, counts = examples_of(targets, tokenizer, settings.context)
        if len(wanted) < len(targets) or not len(examples):
            lost = [*counts.unlabelled, *counts.forged, *counts.unwritten, *counts.unlocatable][:3]
            raise RunError(
                f"step '{self._step_id}': nothing can be trained in {f'targets {lost}' if lost else 'any row'}; "
                "look at them with 'mixwright preview --tokens'"
            )
        digest = settings.fingerprint(_weights_of(settings), digest_of(examples) + digest_of(wanted))
        directory = store_directory(self._context.plan.root, self._context.scratch) / "less" / digest
        scores_at = scores_file(directory, tasks)
        if not scores_at.exists():
            directory.mkdir(parents=True, exist_ok=True)
            write_examples(examples, directory / "rows")
            write_examples(wanted, directory / "targets")
            (directory / "tasks.json").write_text(json.dumps(tasks) + "\n", encoding="utf-8")
            (directory / "settings.json").write_text(settings.to_json(), encoding="utf-8")
            if self._context.ranges is not HERE:
                self._share(directory, settings)
            self._run(directory)
        self._facts["directory"] = str(directory)
        return np.load(scores_at), examples.names

    def _share(self, directory: Path, settings: LessSettings) -> None:
        """Have others take features; the job takes what they leave."""
        from mixwright_runtime.training.influence.gradient_ranges import has_all, take_in_ranges
        from mixwright_runtime.training.influence.job import UNTIL_WARM

        if has_all(directory, settings):
            return
        self._run(directory, UNTIL_WARM)
        what = f"gradients of {self._context.pipeline}.{self._step_id}"
        take_in_ranges(
            self._context.ranges, what, directory, settings, lambda: self.stop_if_interrupted("select less")
        )

    def _run(self, directory: Path, *options: str) -> None:
        """Run the job to its end.

        Raises:
            RunStopped: it was interrupted.
            RunError: it failed; what it has is kept.
        """
        from mixwright_runtime.training.influence.job import FAILED, PARENT_PID

        failed = directory / FAILED
        failed.unlink(missing_ok=True)
        environment = {
            **os.environ,
            PARENT_PID: str(os.getpid()),
            "PYTHONSAFEPATH": "1",
            "TRANSFORMERS_VERBOSITY": "error",
            "TOKENIZERS_PARALLELISM": "false",
        }
        with (directory / "job.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "mixwright_runtime.training.influence.job", str(directory), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            try:
                while child.poll() is None:
                    try:
                        child.wait(_POLL_S)
                    except subprocess.TimeoutExpired:
                        self.stop_if_interrupted("select less")
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
        if child.returncode != 0:
            told = failed.read_text(encoding="utf-8").strip() if failed.exists() else ""
            reason = told.splitlines()[-1] if told else f"it was killed (status {child.returncode})"
            raise RunError(
                f"step '{self._step_id}': select less failed: {reason}; its features are kept and 'mixwright run' goes "
                f"on from there; the whole story is in {directory / 'job.log'}"
            )

    def _settings(self) -> LessSettings:
        from mixwright_runtime.training.influence.settings import Adapters, LessSettings

        given = self._attributes
        warm, adapters = given.get("warmup") or {}, given.get("lora") or {}
        local = given.get("base")
        place = str((self._context.directory / str(local)).resolve()) if local else str(given["repo"])
        return LessSettings(
            place=place,
            revision=str(given.get("revision") or ""),
            context=int(given["context"]),
            fraction=float(warm.get("fraction", 0.05)),
            epochs=int(warm.get("epochs", 4)),
            batch=int(warm.get("batch", 128)),
            learning_rate=float(warm.get("learning_rate", 2e-5)),
            seed=self._context.seed % 2**31,
            adapters=Adapters(
                int(adapters.get("rank", 128)),
                int(adapters.get("alpha", 512)),
                float(adapters.get("dropout", 0.1)),
                tuple(adapters.get("layers") or Adapters().targets),
            ),
            projection=int(given["projection"]),
            method=given["method"],
            gradient=given["gradient"],
            epsilon_inside=given["epsilon"] == "inside",
            precision=given["precision"],
        )

    def _chat(self, row: Row) -> list[dict[str, Any]]:
        try:
            return chat_of(row.columns.get("messages"))
        except ChatError as error:
            raise RunError(f"step '{self._step_id}', row {row.row_id.hex()}: {error}") from None

    def _targets(self) -> tuple[list[dict[str, Any]], list[int]]:
        """The target examples, and the number of each one's task."""
        given = self._attributes
        user, assistant, by = given.get("user"), given.get("assistant"), given.get("by")
        found: list[dict[str, Any]] = []
        tasks: list[int] = []
        numbers: dict[tuple[str, str], int] = {}
        seen: dict[int, int] = {}
        for name in given["targets"]:
            for number, row in enumerate(self._context.rows_of(str(name))):
                for column in filter(None, (user, assistant, by)):
                    if column not in row:
                        raise RunError(f"step '{self._step_id}': target '{name}' has no column `{column}`")
                task = numbers.setdefault((str(name), str(row[by]) if by else ""), len(numbers))
                seen[task] = seen.get(task, 0) + 1
                if given.get("shots") and seen[task] > int(given["shots"]):
                    continue
                messages: Any = row.get("messages")
                if user and assistant:
                    messages = [
                        {"role": "user", "content": str(row[user])},
                        {"role": "assistant", "content": str(row[assistant])},
                    ]
                try:
                    chat = chat_of(messages)
                except ChatError as error:
                    raise RunError(
                        f"step '{self._step_id}': target '{name}', row {number + 1}: {error}; give `user` and `assistant`"
                    ) from None
                found.append({"id": f"{name}:{number + 1}", "messages": chat})
                tasks.append(task)
        if not found:
            raise RunError(f"step '{self._step_id}': the targets have no rows")
        return found, tasks


def _weights_of(settings: LessSettings) -> str:
    """What the weights are: the digest of local files, the revision of a repository's."""
    from mixwright_compiler.plan.weights import weights_identity

    place = Path(settings.place)
    return weights_identity(place) if place.is_dir() else f"{settings.place}@{settings.revision}"
