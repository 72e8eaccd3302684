"""A store that holds one finished run: two sources, one pipeline that asked a model, one mixture."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import (
    Export,
    From,
    ModelSpec,
    Pipeline,
    Plan,
    SourcePin,
    SourceSpec,
    SpecFile,
    Step,
)
from mixwright_runtime.mixture import Candidates, record_selection, select
from mixwright_runtime.store.records import OutcomeRecord
from mixwright_runtime.store.store import Store
from tests.runtime.mixture.mixtures import ORIGIN, count, everything, ids, mixture

CHAT = {"messages": "chat"}
REPORT = {
    "gsm8k_test": {
        "rows": 1319,
        "matched": 2,
        "share": 0.0015,
        "removed": 3,
        "examples": [{"evaluation_text": "Janet’s ducks"}],
    }
}
"""What the mixture's decontamination says it found."""


def step(id: str, operation: str, **attributes: Any) -> Step:
    return Step.model_validate(
        {
            "id": id,
            "operation": operation,
            "version": 1,
            "attributes": attributes,
            "columns": CHAT,
            "fingerprint": {"row": "", "set": "", "meta": ""},
            "origin": ORIGIN,
        }
    )


DECONTAMINATE = step("clean", "decontaminate.ngram", against=["mbpp", "gsm8k_test"])


def plan(directory: Path, *, format: str = "messages", **attributes: Any) -> Plan:
    """A plan whose mixture `tutor` takes 3 rows of pipeline `math` and all of source `chats`."""
    tutor = mixture({"math": count(3), "chats": everything()}, kinds={"math": "pipeline"}, name="tutor")
    math, chats = tutor.components
    return Plan(
        mixwright_version="0.1.0",
        edition=2026,
        spec="tutor.mix",
        root=str(directory),
        directory=str(directory),
        files=(SpecFile(name="tutor.mix", sha256="ab" * 32, text="edition 2026\n"),),
        params={"scale": 0.5},
        models={
            "teacher": ModelSpec(
                name="teacher",
                engine="openai",
                attributes={"model": "org/teacher-7b", "revision": "0123abc", "license": "apache-2.0"},
                identity="feed",
                origin=ORIGIN,
            )
        },
        sources={
            "seeds": SourceSpec(
                name="seeds",
                kind="jsonl",
                attributes={},
                columns={"topic": "text"},
                license="mit",
                origin=ORIGIN,
                pin=SourcePin(digest="cd" * 32, rows=9, revision="r1"),
            ),
            "chats": SourceSpec(
                name="chats", kind="jsonl", attributes={}, columns=CHAT, license="cc-by-4.0", origin=ORIGIN
            ),
        },
        pipelines={
            "math": Pipeline(
                name="math",
                start=From(rows="seeds", kind="source", origin=ORIGIN),
                steps=(
                    step("generate_problem", "step.generate", model="teacher"),
                    DECONTAMINATE,
                    step("chat", "step.chat"),
                ),
                columns=CHAT,
                origin=ORIGIN,
            )
        },
        mixtures={
            "tutor": tutor.model_copy(
                update={
                    "components": (math.model_copy(update={"group": "skills"}), chats),
                    "steps": (step("decontaminate_ngram", "decontaminate.ngram"),),
                }
            )
        },
        exports={
            "hub": Export(
                name="hub",
                mixture="tutor",
                format=format,
                attributes={"path": "out/tutor", "card": True, "language": ["en"]} | attributes,
                origin=ORIGIN,
            )
        },
    )


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def outcome(pipeline: str, position: int, columns: dict[str, Any], **fields: Any) -> OutcomeRecord:
    row_id = ids(pipeline, 50)[position]
    return OutcomeRecord(
        **{
            "run_id": 1, "pipeline": pipeline, "row_id": row_id, "origin_id": row_id, "source": "seeds",
            "source_ref": f"seeds.jsonl:{position + 1}", "position": position, "replica": 0, "candidate": 0,
            "parents": (), "status": "kept", "columns": json.dumps(columns),
        }
        | fields
    )  # fmt: skip


def finish_run(plan: Plan, store: Store) -> int:
    """Put what a run leaves behind: 4 kept and 2 dropped rows of `math`, 2 rows of `chats`, and the selection."""
    run_id = store.begin_run(plan, "mixwright run tutor.mix")
    for i in range(4):
        store.put_outcome(outcome("math", i, chat(f"What is {i} + 1?", str(i + 1)), run_id=run_id))
    for i in (4, 5):
        wrong = outcome("math", i, chat(f"What is {i} + 1?", "7"), run_id=run_id)
        fields = {"status": "dropped", "step": "verify_math", "reason": "math: wrong"}
        store.put_outcome(wrong._replace(**fields))
    found = json.dumps({"set": "mbpp", "overlap": 0.9})
    fields = {"status": "dropped", "step": "clean", "reason": "contaminated", "detail": found}
    store.put_outcome(outcome("math", 6, chat("Add.", "?"), run_id=run_id, **fields))
    for i in range(2):
        hello = chat(f"Hello <b>{i}</b>", "Grüß dich 🙂\u2028| done")
        store.put_outcome(outcome("chats", i, hello, run_id=run_id, source="chats"))
    selection = select(
        plan.mixtures["tutor"],
        {"math": Candidates(ids("math", 4), range(4), complete=False), "chats": Candidates(ids("chats", 2))},
    )
    record_selection(store, run_id, selection, steps={"decontaminate_ngram": REPORT})
    asyncio.run(store.flush())
    store.end_run(run_id, "done", {})
    return run_id
