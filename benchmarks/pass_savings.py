"""What the passes of the compiler save: the same specs as they are written and as they are run.

    python benchmarks/pass_savings.py [--rows 400]

Both plans of a spec run into stores of their own, on an engine in this process whose answers a request alone decides.
Printed are the requests, the dollars and the CPU seconds of each, and their ratio, of one run; requests and dollars do
not vary. The rows kept must be the same, with their identities. The last spec moves nothing: what two pipelines begin
with alike is asked once already, for requests are named by what is in them, and no pass is needed for it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from hashlib import blake2b
from pathlib import Path

import mixwright
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

HEAD = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "teacher", price_in = $0.5, price_out = $2 }
model judge openai { base_url = "http://localhost:1/v1", model = "judge", price_in = $3, price_out = $15 }
source tasks jsonl { path = "rows.jsonl", columns = { task = task, input = input, language = language } }
template answer { user = "{{ task }} {{ input }}" }
template rubric { user = "Rate from 0 to 9 how well this answers the task. {{ task }} {{ reply }}" }
"""
GENERATE = "generate reply { prompt = answer, model = teacher, max_tokens = 400 }"
JUDGE = "verify judge { response = reply, rubric = rubric, models = [judge], scale = [0, 9], min = 5 }"

SPECS = {
    "filter of source columns behind a request": f"""pipeline p {{
  from tasks
  {GENERATE}
  filter {{ where = len(input) == 0 }}
}}
""",
    "filter of a drawn answer behind best of 8": """template sketch { user = "Sketch: {{ task }}" }
template solve { user = "{{ plan }}" }
pipeline p {
  from tasks
  generate plan { prompt = sketch, model = teacher, max_tokens = 100 }
  generate reply { prompt = solve, model = teacher, samples = 8 }
  verify repetition { response = reply, pick = best }
  filter { where = matches(plan, "[0-4]$") }
}
""",
    "cheap verifiers behind a judge": f"""pipeline p {{
  from tasks
  {GENERATE}
  {JUDGE}
  verify repetition {{ response = reply }}
  verify where {{ expr = matches(reply, "[0-6]$") }}
}}
""",
    "filter behind a measurement, no request": """pipeline p {
  from tasks
  verify repetition { response = task, on_fail = keep }
  verify truncation { response = task, on_fail = keep }
  filter { where = language == "en" }
}
""",
    "two pipelines that begin alike: all rows": f"""pipeline p {{
  from tasks
  {GENERATE}
}}
pipeline q {{
  from tasks
  {GENERATE}
  {JUDGE}
}}
""",
}


class Engine:
    """Answers at once; what it says is decided by the request alone."""

    slots = 64

    def __init__(self) -> None:
        self.requests = 0

    async def start(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        self.requests += 1
        text = str(request.messages[-1]["content"])
        digest = blake2b(f"{text} {request.seed}".encode()).hexdigest()
        number = int(digest, 16) % 10
        said = f"Words of answer {digest[:8]} that are not said twice, and then {number}"
        if text.startswith("Rate"):
            said = json.dumps({"reason": "It is as it is.", "score": number})
        return Answer(said, Finish.STOP, len(text) // 4, len(said) // 4)

    async def close(self) -> None:
        return


def as_written(plan: Plan) -> Plan:
    """The plan with every step in its place in the spec."""
    document = json.loads(plan.model_dump_json())
    for name, pipeline in document["pipelines"].items():
        steps = {step["id"]: step for step in pipeline["steps"]}
        pipeline["steps"] = [steps[step.id] for step in plan.pipelines[name].steps_as_written]
        for found_again in ("written", "groups", "asks_again"):
            del pipeline[found_again]
    return plan_from_json(json.dumps(document))


def ran(plan: Plan) -> tuple[int, float, float, list[tuple]]:
    """Requests, dollars, CPU seconds, and the rows kept."""
    engine = Engine()
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory) / "store")
        began = time.process_time()
        report = run_plan(
            plan, store=store, options=RunOptions(exports=False), engines=dict.fromkeys(plan.models, engine)
        )
        seconds = time.process_time() - began
        assert report.status == "done", report.messages
        prices = {
            model.identity: (model.attributes["price_in"], model.attributes["price_out"])
            for model in plan.models.values()
        }
        tokens = store.sql(
            "SELECT identity, sum(prompt_tokens), sum(output_tokens) FROM call GROUP BY identity"
        )
        dollars = sum(prompt * prices[id][0] + output * prices[id][1] for id, prompt, output in tokens) / 1e6
        kept = store.sql(
            "SELECT pipeline, position, row_id, columns FROM row_outcome WHERE status = 'kept' ORDER BY ALL"
        )
        store.close()
    return engine.requests, dollars, seconds, kept


def main() -> None:
    """Print a line a spec."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    rows = parser.parse_args().rows
    print(f"{'':44}requests              $ (of 1M rows)          CPU s")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / ".mixwright").mkdir()
        with (folder / "rows.jsonl").open("w") as file:
            for n in range(rows):
                given = "" if n % 3 else f"given {n}"
                row = {
                    "task": f"Task number {n} of them all",
                    "input": given,
                    "language": "en" if n % 4 else "de",
                }
                file.write(json.dumps(row) + "\n")
        for title, text in SPECS.items():
            spec = folder / "spec.mix"
            spec.write_text(HEAD + text)
            plan = mixwright.plan(spec)
            before, after = ran(as_written(plan)), ran(plan)
            assert before[3] == after[3], title
            scale = 1e6 / rows
            print(
                f"{title:42}  {before[0]:5} -> {after[0]:5} {ratio(before[0], after[0])}"
                f"  {before[1] * scale:7.0f} -> {after[1] * scale:7.0f} {ratio(before[1], after[1])}"
                f"  {before[2]:5.2f} -> {after[2]:5.2f} {ratio(before[2], after[2])}"
            )


def ratio(before: float, after: float) -> str:
    """How many times as much it was."""
    return f"({before / after:.2f}x)" if after else "       "


if __name__ == "__main__":
    main()
