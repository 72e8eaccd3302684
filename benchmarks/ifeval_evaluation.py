"""Grade published IFEval replies by an `evaluate` block, and compare the four accuracies with those of the paper.

    python benchmarks/ifeval_evaluation.py --data DIR

DIR has `ifeval/input_data.jsonl` and `ifeval/input_response_data_gpt4_20231107_145030.jsonl` of google-research's
instruction_following_eval. The paper (Zhou et al. 2023, table 3) gives GPT-4 76.89 / 83.57 (strict: prompts, single ones)
and 79.30 / 85.37 (loose). `language:response_language` needs the extra `if`. Exit status 1 when one differs by more than
half a point.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from mixwright.compiling import plan_of_file
from mixwright_runtime.training.evaluate import accuracy_of, held_out_problems
from mixwright_runtime.training.grading import graded

PUBLISHED = {"strict": (0.7689, 0.8357), "loose": (0.7930, 0.8537)}
SPEC = """edition 2026
source numbers inline { rows = [{ q = "1+1", a = "2" }] }
source ifeval jsonl { path = "input_data.jsonl" }
template as_it_is { user = "{{ prompt }}" }
pipeline sums {
  from numbers
  chat { user = q, assistant = a }
}
mixture m {
  seed = 1
  sums = all
  decontaminate ngram { against = [ifeval] }
}
train t on m {
  base = "model"
  output = "out"
  evaluate ifeval {
    on = ifeval
    prompt = as_it_is
    limit = 541
    verify constraints {
      response = reply, constraints = instruction_id_list, kwargs = kwargs, compat = google, id = strict
    }
    verify constraints {
      response = reply, constraints = instruction_id_list, kwargs = kwargs, compat = google, mode = loose, id = loose
    }
  }
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    place = parser.parse_args().data / "ifeval"
    # In the order of the prompts: the text of one was edited after the model had answered.
    with (place / "input_response_data_gpt4_20231107_145030.jsonl").open(encoding="utf-8") as file:
        given = [str(json.loads(line)["response"]) for line in file]
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory)
        (project / "pyproject.toml").touch()
        (project / "t.mix").write_text(SPEC, encoding="utf-8")
        shutil.copyfile(place / "input_data.jsonl", project / "input_data.jsonl")
        plan = plan_of_file(project / "t.mix", errors_only=True)
        assert plan is not None
        [evaluation] = plan.trains["t"].evaluations
        problems = held_out_problems(plan, evaluation)
        rows = [{**p.columns, "reply": reply} for p, reply in zip(problems, given, strict=True)]
        grades = graded(plan, evaluation.steps, rows)
    worst = 0.0
    for mode, (prompts, instructions) in PUBLISHED.items():
        found = accuracy_of(mode, problems, given, grades[mode])
        assert found.followed is not None
        print(
            f"{mode:6}  prompts {found.accuracy:.2%} (paper {prompts:.2%}), "
            f"instructions {found.followed:.2%} (paper {instructions:.2%}), {found.failed} failed"
        )
        worst = max(worst, abs(found.accuracy - prompts), abs(found.followed - instructions))
    print(f"largest difference: {worst * 100:.2f} points")
    return 0 if worst <= 0.005 else 1


if __name__ == "__main__":
    sys.exit(main())
