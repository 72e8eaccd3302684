"""Runs of specs written in a test, on a scripted engine and a store that can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virtual import ScriptedEngine

import mixwright
from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

HEAD = 'edition 2026\nmodel teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }\n'


class SpecRuns:
    """`answers(prompt)` is what the model `teacher` of every spec says. One store for all runs."""

    def __init__(self, directory: Path, answers: Callable[[str], str]) -> None:
        self.directory = directory
        self.answers = answers
        self.engine = ScriptedEngine(lambda text, _: Answer(self.answers(text), Finish.STOP), latency_s=0)
        self.store = Store.open(directory / "store")

    @property
    def prompts(self) -> list[str]:
        """What the model was asked so far, in order."""
        return [str(request.messages[-1]["content"]) for request in self.engine.requests]

    def run(self, spec: str, variant: str | None = None, **options: Any) -> RunReport:
        path = self.directory / "spec.mix"
        path.write_text(HEAD + spec, encoding="utf-8")
        self.plan = plan = mixwright.plan(path, variant=variant)
        engines = dict.fromkeys(plan.models, self.engine)
        return run_plan(
            plan, store=self.store, options=RunOptions(**{"exports": False, **options}), engines=engines
        )

    def rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(status, reason, columns) of each outcome of the last run, in start order."""
        return [
            (status, reason, json.loads(columns))
            for status, reason, columns in self.store.sql(
                "SELECT status, reason, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
                "ORDER BY position, candidate"
            )
        ]

    def scores(self) -> list[dict[str, Any]]:
        """The measurements kept with each outcome of the last run, by verifier."""
        return [
            json.loads(scores)
            for (scores,) in self.store.sql(
                "SELECT scores FROM outcome WHERE run_id = (SELECT max(run_id) FROM run) ORDER BY position, candidate"
            )
        ]
