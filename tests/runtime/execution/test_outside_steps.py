"""Steps that do not ship with Mixwright, with what their shapes promise and no more: planned, run and explained."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from spec_runs import HEAD
from virtual import ScriptedEngine

from mixwright.rehearsal import Answered, rehearsed
from mixwright_compiler.catalog.catalog import Asks, Catalog, builtin_catalog
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan, Step, plan_from_json
from mixwright_compiler.stages import compile_file
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.plugins.attributes import PICK, STEP, VERIFIER
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare, entry_of
from mixwright_runtime.plugins.protocol import CallResult, Measurement, StepContext
from mixwright_runtime.plugins.shapes import Apply, Ask, Keep, Measure, StepRequest
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers.judging.asking import Asking


@declare(
    "step",
    "test_shout",
    label="new_column",
    makes={"{label}": "text"},
    attributes=(attribute("on", "column", "the text", default=REQUIRED), *STEP),
)
class Shout(Apply):
    """A column in capitals."""

    def __init__(self, step: Step, context: StepContext) -> None:
        self._on, self._label = step.attributes["on"], step.label

    def apply(self, row: Row) -> Row:
        return row.with_columns(**{self._label: row.columns[self._on].upper()})


@declare(
    "step",
    "test_translate",
    label="new_column",
    makes={"{label}": "text"},
    asks=(Asks("by", template="prompt", times=("ways",), max_tokens="longest", writes="{label}"),),
    attributes=(
        attribute("prompt", "ref:template", "what is asked", default=REQUIRED),
        attribute("by", "ref:model", "who is asked", default=REQUIRED),
        attribute("ways", "count", "how many translations", default=1),
        attribute("longest", "count", "longest answer, in tokens", default=20),
        attribute("on_fail", "call:on_fail", "when it is no translation", default="drop", cls="set"),
        *STEP,
    ),
)
class Translate(Ask):
    """A column from a model, whose answer begins with `fr:`."""

    def __init__(self, step: Step, context: StepContext) -> None:
        self._model, self._label = step.attributes["by"], step.label
        self._prompt = context.template(step.attributes["prompt"])
        self._sampling = {"temperature": 1.0, "max_tokens": 20}

    def ask(self, row: Row) -> StepRequest:
        return StepRequest(self._model, self._prompt(row.columns).messages, self._sampling)

    def take(self, row: Row, answer: CallResult) -> Row:
        if not answer.text.startswith("fr:"):
            raise ParseFailed("it is no French")
        return row.with_columns(**{self._label: answer.text.removeprefix("fr:").strip()})


@declare(
    "verify",
    "test_fluent",
    asks=(Asks("critic", template="question", max_tokens="longest"),),
    attributes=(
        attribute("response", "column", "what is judged", default=REQUIRED),
        attribute("critic", "ref:model", "who judges", default=REQUIRED),
        attribute("question", "ref:template", "what it is asked", default=REQUIRED),
        attribute("longest", "count", "longest answer, in tokens", default=5),
        attribute("min", "float", "the least that passes", default=0.5),
        PICK,
        *VERIFIER,
    ),
)
class Fluent(Measure):
    """A critic's number, asked for until it can be read; how it decides is left to the run."""

    def __init__(self, step: Step, context: StepContext) -> None:
        self._critic = step.attributes["critic"]
        self._question = context.template(step.attributes["question"])
        self._asking = Asking(context.calls, _number, temperature=0.0, max_tokens=5, retries=2)

    async def measure(self, row: Row) -> Measurement:
        asked = await self._asking.ask(self._critic, self._question(row.columns).messages)
        return Measurement(asked.outcome, asked.found, {"call": asked.key})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParseFailed("no number") from None


@declare(
    "dedup",
    "test_by_length",
    breaker=True,
    attributes=(attribute("on", "column", "the text", default=REQUIRED), *STEP),
)
class OneOfEachLength(Keep):
    """The first row of each length."""

    def __init__(self, step: Step, context: StepContext) -> None:
        self._id, self._on = step.id, step.attributes["on"]
        self._lengths: set[int] = set()

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        return [self._decided(row) for row in rows]

    def report(self) -> dict[str, int]:
        return {"lengths": len(self._lengths)}

    def _decided(self, row: Row) -> Row | Dropped:
        length = len(row.columns[self._on])
        if length in self._lengths:
            return Dropped(row, self._id, "of a known length")
        self._lengths.add(length)
        return row


SPEC = (
    HEAD
    + """
source words inline { rows = [{ en = "cat" }, { en = "house" }, { en = "water" }] }
template into_french { user = "Into French: {{ en }}" }
template is_it { user = "Is it fluent? {{ fr }}" }
pipeline french {
  from words
  test_translate fr { prompt = into_french, by = teacher, on_fail = retry(2) }
  verify test_fluent { response = fr, critic = teacher, question = is_it, on_fail = retry(1) }
  test_shout loud { on = fr }
  dedup test_by_length { on = loud }
}
"""
)


class Teacher:
    """Answers by a script: the n-th entry for the n-th time that it is asked the same."""

    def __init__(self, **said: list[str]) -> None:
        self.said = said
        self.times: dict[str, int] = {}
        self.engine = ScriptedEngine(self._answer, latency_s=0)

    def _answer(self, prompt: str, _: int) -> Answer:
        word = prompt.rpartition(" ")[2]
        times = self.times[prompt] = self.times.get(prompt, 0) + 1
        said = self.said[word]
        return Answer(said[min(times, len(said)) - 1], Finish.STOP)


def planned(directory: Path, spec: str = SPEC) -> Plan:
    path = directory / "spec.mix"
    path.write_text(spec, encoding="utf-8")
    names = ("step.test_shout", "step.test_translate", "verify.test_fluent", "dedup.test_by_length")
    ours = {name: entry_of(name) for name in names}
    result = compile_file(path, catalog=Catalog({**builtin_catalog().entries, **ours}))
    assert result.program is not None, result.errors
    return plan_from_json(lower(result.program, root=directory, directory=directory).model_dump_json())


def run(plan: Plan, store: Store, teacher: Teacher) -> RunReport:
    engines = dict.fromkeys(plan.models, teacher.engine)
    return run_plan(plan, store=store, options=RunOptions(exports=False), engines=engines)


def test_what_they_ask_is_planned(tmp_path: Path) -> None:
    estimates = {e.node: e for e in planned(tmp_path).estimates}
    translate, fluent = estimates["french.test_translate_fr"], estimates["french.verify_test_fluent"]
    assert (translate.requests, translate.output_tokens) == (3, 60)
    assert (fluent.requests, fluent.output_tokens) == (3, 15)
    assert estimates["french.test_shout_loud"].requests == 0


def test_they_run_and_what_fails_is_asked_again(tmp_path: Path) -> None:
    teacher = Teacher(
        cat=["the cat", "fr: chat"],  # its first answer cannot be read
        house=["fr: masion", "fr: maison"],  # its first answer is not fluent
        water=["fr: leau"],  # of a length that is there already
        chat=["well", "0.9"],  # the critic says no number at first
        masion=["0.1"],
        maison=["1"],
        leau=["1"],
    )
    plan = planned(tmp_path)
    with Store.open(tmp_path / "store") as store:
        report = run(plan, store, teacher)
        rows = store.sql(
            "SELECT columns->>'$.en', columns->>'$.loud', status, reason FROM row_outcome ORDER BY ALL"
        )
        [(house,)] = store.sql("SELECT hex(row_id) FROM row_outcome WHERE columns->>'$.en' = 'house'")
        told = row_facts(store, house)
        asked = len(teacher.engine.requests)
        again = run(plan, store, teacher)
    assert rows == [
        ("cat", "CHAT", "kept", ""),
        ("house", "MAISON", "kept", ""),
        ("water", "LEAU", "dropped", "of a known length"),
    ]
    assert (asked, len(teacher.engine.requests)) == (10, 10)
    assert [call.text for call in told.calls] == ["fr: masion", "fr: maison"]
    assert [call.text for call in told.verifier_calls] == ["1", "0.1"]
    assert report.summary["pipelines"]["french"]["reports"] == {"dedup_test_by_length": {"lengths": 2}}
    assert again.summary["requests"] == 0


def test_a_row_goes_on_while_another_is_waited_for(tmp_path: Path) -> None:
    """`house` is translated only after the critic was asked about `chat`."""

    class Waiting(ScriptedEngine):
        async def complete(self, request: Request) -> Answer:
            text = str(request.messages[-1]["content"])
            if text == "Is it fluent? chat":
                judged.set()
            elif text == "Into French: house":
                async with asyncio.timeout(60):  # else a run that does not stream would hang the test
                    await judged.wait()
            return await super().complete(request)

    judged = asyncio.Event()
    said = {"cat": "fr: chat", "house": "fr: maison", "water": "fr: l'eau"}
    teacher = Teacher()
    teacher.engine = Waiting(lambda text, _: Answer(said.get(text.rpartition(" ")[2], "1"), Finish.STOP))
    teacher.engine.latency_s = 0
    with Store.open(tmp_path / "store") as store:
        report = run(planned(tmp_path), store, teacher)
    assert report.summary["rows"]["kept"] == 3


def test_candidates_are_made_and_one_is_picked(tmp_path: Path) -> None:
    spec = SPEC.replace("by = teacher,", "by = teacher, ways = 3,").replace(
        "on_fail = retry(1) }", "pick = best }"
    )
    teacher = Teacher(
        **{word: ["fr: un", "fr: deux", "fr: trois"] for word in ("cat", "house", "water")},
        un=["0.5"],
        deux=["0.7"],
        trois=["0.6"],
    )
    plan = planned(tmp_path, spec)
    assert next(e for e in plan.estimates if e.node == "french.test_translate_fr").requests == 9
    with Store.open(tmp_path / "store") as store:
        run(plan, store, teacher)
        kept = store.sql("SELECT columns->>'$.fr' FROM row_outcome WHERE status = 'kept'")
    assert kept == [("deux",)]


def test_a_rehearsal_finds_their_answers(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    with Store.open(tmp_path / "store") as store:
        assert rehearsed(plan, store, ["french.test_translate_fr"]) == {
            "french.test_translate_fr": Answered(3, 0, True)
        }
        run(plan, store, Teacher(**{w: [f"fr: {w}"] for w in ("cat", "house")}, water=["-"]))
        # Of `water` none of the three attempts gave an answer, and each is in the store.
        assert rehearsed(plan, store, ["french.test_translate_fr"]) == {
            "french.test_translate_fr": Answered(5, 5, True)
        }


@pytest.mark.parametrize("at", ["ask", "take", "measure"])
def test_a_bug_in_one_costs_the_rows_that_meet_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    owner = Fluent if at == "measure" else Translate
    sound = getattr(owner, at)

    def broken(step: object, row: Row, *more: object) -> object:
        return {}["no such key"] if row.columns["en"] == "house" else sound(step, row, *more)

    async def broken_measure(step: object, row: Row) -> object:
        return {}["no such key"] if row.columns["en"] == "house" else await sound(step, row)

    monkeypatch.setattr(owner, at, broken_measure if at == "measure" else broken)
    teacher = Teacher(
        cat=["fr: chat"], house=["fr: maison"], water=["fr: eau"], chat=["1"], maison=["1"], eau=["1"]
    )
    with Store.open(tmp_path / "store") as store:
        run(planned(tmp_path), store, teacher)
        ended = store.sql("SELECT columns->>'$.en', status, reason FROM row_outcome ORDER BY ALL")
    reason = "verifier error" if at == "measure" else "internal error: KeyError"
    assert ended == [("cat", "kept", ""), ("house", "quarantined", reason), ("water", "kept", "")]
