"""Rates responses with a reward model through a whole run, beside a bare loop, and picks the best of n.

    python benchmarks/reward_speed.py [--rows 600] [--data DIR] [--best-of 8 --problems 150]

Speed: CPU seconds for `verify reward` on N chats (run, store, cache and all) in engine `transformers`, beside a bare
transformers loop with one chat a forward pass, as on the cards of reward models, and beside static batches in the order
of the file. The model is a Qwen2 of random weights (4 layers of 256) with Qwen's reward head; the chats are GSM8K
questions with model solutions from `DIR/gsm8k/example_model_solutions.jsonl`, or sums where no DIR is given. One core.

Best of n: the project's own small model (`specs/tiny/model`) solves problems with n samples each, hot enough to be wrong;
a reward model is trained from its weights on its own samples of other problems, labelled by `verify math`'s
comparison, and `verify reward` chooses. Printed: the share of right answers of a sample, of the majority, of the
best-rated, of the majority weighted by reward, and of problems with any right sample.

Three passes over 1,587 samples make no useful reward model of so small a one: with 60 problems of 8 samples, 15.4 % of
samples were right, 16.7 % of the best-rated, 26.7 % of weighted and 30.0 % of plain majorities, 53.3 % of any. It shows
the ways of choosing at work, and why a reward model is measured (`calibrate`) before it is trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[1]
Chat = list[dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--data", type=Path, help="directory with gsm8k/example_model_solutions.jsonl")
    parser.add_argument("--best-of", type=int, default=0, help="also choose among this many samples")
    parser.add_argument("--problems", type=int, default=150)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        speed(Path(place), rows_of(options.data, options.rows))
        if options.best_of:
            best_of(Path(place), options.best_of, options.problems)


def rows_of(data: Path | None, count: int) -> list[dict[str, str]]:
    rng = random.Random(0)
    if data is None:
        texts = [
            (f"{a}+{b}", " ".join(f"{a}+{b}={a + b}." for _ in range(rng.randint(1, 40))))
            for a, b in ((rng.randrange(1000), rng.randrange(1000)) for _ in range(count))
        ]
    else:
        with (data / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as file:
            problems = [json.loads(line) for line in file]
        texts = [
            (problem["question"], problem[model]["solution"])
            for problem in problems
            for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
        ]
        rng.shuffle(texts)
    # Equal rows would be asked once.
    return [{"problem": p, "solution": s} for p, s in dict.fromkeys(texts[:count]) if s.strip()]


def speed(place: Path, rows: list[dict[str, str]]) -> None:
    model = random_reward_model(place / "rater", [f"{row['problem']} {row['solution']}" for row in rows])
    chats = [chat(row["problem"], row["solution"]) for row in rows]
    loaded, tokenizer, head = bare_model(model)
    started = time.process_time()
    alone = [rated_alone(loaded, tokenizer, head, one) for one in chats]
    loop_s = time.process_time() - started
    started = time.process_time()
    for at in range(0, len(chats), 64):
        rated_together(loaded, tokenizer, head, chats[at : at + 64])
    batches_s = time.process_time() - started
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    started = time.process_time()
    found = run_spec(place)
    ours_s = time.process_time() - started
    worst = max(
        abs(score - found[row["problem"], row["solution"]]) for row, score in zip(rows, alone, strict=True)
    )
    each = 1000 / len(rows)
    print(
        f"{len(rows)} chats, {sum(len(c[1]['content']) for c in chats) / len(rows):.0f} characters of response"
    )
    print(f"bare loop, one by one:        {loop_s * each:6.2f} ms CPU a chat")
    print(f"static batches of 64:         {batches_s * each:6.2f} ms CPU a chat")
    print(f"verify reward, whole run:     {ours_s * each:6.2f} ms CPU a chat")
    print(f"ours / bare loop: {ours_s / loop_s:.2f}; ours / static batches: {ours_s / batches_s:.2f}")
    print(f"largest difference of a score: {worst:.1e}")
    started = time.process_time()
    run_spec(place)
    print(f"again, from the store:        {(time.process_time() - started) * each:6.2f} ms CPU a chat")


SPEC = """
edition 2026
model rater transformers { path = "rater", task = reward, context = 1024, batch_size = 64 }
source chats jsonl { path = "rows.jsonl", columns = { problem = problem, solution = solution } }
pipeline rated {
  from chats
  verify reward { model = rater, request = problem, response = solution, min = -1000.0 }
}
"""


def run_spec(place: Path) -> dict[tuple[str, str], float]:
    """The score of each chat, by its two texts."""
    import mixwright
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    (place / "spec.mix").write_text(SPEC, encoding="utf-8")
    store = Store.open(place / "store")
    try:
        run_plan(mixwright.plan(place / "spec.mix"), store=store, options=RunOptions(exports=False))
        found = {}
        for columns, scores in store.sql(
            "SELECT columns, scores FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)"
        ):
            row = json.loads(columns)
            [measurement] = json.loads(scores).values()
            found[row["problem"], row["solution"]] = float(measurement["score"])
        return found
    finally:
        store.close()


def chat(problem: str, solution: str) -> Chat:
    return [{"role": "user", "content": problem}, {"role": "assistant", "content": solution}]


def random_reward_model(directory: Path, texts: list[str]) -> Path:
    """A Qwen2 of 4 layers of 256 with a reward head of random weights."""
    import torch
    from transformers import Qwen2Config, Qwen2Model

    from mixwright_runtime.training.tokenizer import train_tokenizer

    directory.mkdir()
    size = train_tokenizer(texts, directory, vocabulary=2000, context=1024)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=size,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=4,
    )
    return save_reward_model(directory, Qwen2Model(config), linear_head(256))


def linear_head(size: int) -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(size, size), torch.nn.ReLU(), torch.nn.Linear(size, 1))


def save_reward_model(directory: Path, body: Any, head: Any) -> Path:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value.contiguous() for name, value in body.state_dict().items()}
    tensors |= {f"score.{name}": value.contiguous() for name, value in head.state_dict().items()}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    config = body.config.to_dict() | {"architectures": [f"{type(body).__name__[:-5]}ForRewardModel"]}
    (directory / "config.json").write_text(json.dumps(config, default=str), encoding="utf-8")
    return directory


def bare_model(directory: Path) -> tuple[Any, Any, Any]:
    """The model as a script would load it: body, tokenizer, head."""
    import transformers
    from safetensors.torch import load_file

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    body = transformers.AutoModel.from_pretrained(directory).eval()
    head = linear_head(body.config.hidden_size)
    weights = load_file(directory / "model.safetensors")
    head.load_state_dict({n.removeprefix("score."): v for n, v in weights.items() if n.startswith("score.")})
    return body, transformers.AutoTokenizer.from_pretrained(directory), head.eval()


def rated_alone(body: Any, tokenizer: Any, head: Any, one: Chat) -> float:
    import torch

    ids = tokenizer.apply_chat_template(one, tokenize=True, return_tensors="pt", return_dict=True)[
        "input_ids"
    ]
    with torch.inference_mode():
        return float(head(body(input_ids=ids).last_hidden_state[0, -1])[0])


def rated_together(body: Any, tokenizer: Any, head: Any, chats: list[Chat]) -> list[float]:
    import torch

    rendered = tokenizer.apply_chat_template(chats, tokenize=False)
    batch = tokenizer(
        rendered, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
    )
    batch.pop("token_type_ids", None)
    with torch.inference_mode():
        hidden = body(**batch).last_hidden_state
        last = hidden[torch.arange(len(chats)), batch["attention_mask"].sum(1) - 1]
        return [float(value) for value in head(last)[:, 0]]


def best_of(place: Path, samples: int, problems: int) -> None:
    """Train a reward model on the small model's samples and choose with it among those of other problems."""
    rng = random.Random(1)
    train = sampled(place, "train", [problem(rng) for _ in range(400)], 4)
    test = sampled(place, "test", [problem(rng) for _ in range(problems)], samples)
    rater = trained(place / "trained", train)
    body, tokenizer, head = bare_model(rater)
    shares: dict[str, list[float]] = {
        name: [] for name in ("one sample", "majority", "best-rated", "weighted", "any")
    }
    for text, (answer, solutions) in test.items():
        scores = [rated_alone(body, tokenizer, head, chat(text, solution)) for solution in solutions]
        for name, share in chosen(answer, solutions, scores).items():
            shares[name].append(share)
    print(f"\n{len(test)} problems, {samples} samples each, reward model trained on {len(train)} others:")
    for name, found in shares.items():
        print(f"{name:12} {100 * sum(found) / len(found):5.1f} % right")


def chosen(answer: str, solutions: list[str], scores: list[float]) -> dict[str, float]:
    """Whether each way of choosing gets a problem right, by the verifier's own selection."""
    from mixwright_runtime.engines.measured import sigmoid
    from mixwright_runtime.plugins.protocol import Measurement
    from mixwright_runtime.values.rows import Row
    from mixwright_runtime.verifiers.verdicts import Selection

    found = [final(solution) for solution in solutions]
    rows = [Row(bytes([i]), {"right": one == answer}, b"", 0, candidate=i) for i, one in enumerate(found)]
    rated = [
        Measurement("measured", score, {"class": one}) if one else Measurement("unmeasurable", None, {})
        for one, score in zip(found, scores, strict=True)
    ]

    def right(pick: str, weight: Any) -> float:
        decided = Selection("s", "reward", pick=pick).decide(rows, rated, weight)
        return float(any(isinstance(one, Row) and one.columns["right"] for one in decided))

    return {
        "one sample": sum(one == answer for one in found) / len(found),
        "majority": right("majority", lambda _: 1.0),
        "best-rated": right("best", lambda _: 1.0),
        "weighted": right("majority", lambda m: sigmoid(m.score or 0.0)),
        "any": float(answer in found),
    }


def problem(rng: random.Random) -> tuple[str, str]:
    """A problem of the kind that the small model knows, with its answer."""
    who = rng.choice(["judge", "pilot", "baker", "nurse", "clerk", "actor"])
    what = rng.choice(["pears", "boxes", "nuts", "coins"])
    a = rng.randint(20, 99)
    b = rng.randint(10, a - 5)
    return f"A {who} has {a} {what}. The {who} sells {b}. How many {what} are there now?", str(a - b)


def final(solution: str) -> str | None:
    match = re.search(r"####\s*(\d+)\s*$", solution)
    return match[1] if match else None


def sampled(
    place: Path, name: str, problems: list[tuple[str, str]], samples: int
) -> dict[str, tuple[str, list[str]]]:
    """Problem -> (answer, the small model's solutions), through a run of its own."""
    import mixwright
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    directory = place / name
    directory.mkdir()
    rows = ", ".join(f'{{ problem = "{text}" }}' for text, _ in dict.fromkeys(problems))
    (directory / "spec.mix").write_text(
        "edition 2026\n"
        "param weights { type = path }\n"
        "model small transformers { path = weights, context = 128, batch_size = 256 }\n"
        f"source problems inline {{ rows = [{rows}] }}\n"
        'template ask { user = "{{ problem }}" }\n'
        "pipeline solved {\n from problems\n generate solution { prompt = ask, model = small, "
        f"samples = {samples}, temperature = 1.1, max_tokens = 60 }}\n}}\n",
        encoding="utf-8",
    )
    store = Store.open(directory / "store")
    try:
        plan = mixwright.plan(
            directory / "spec.mix", params={"weights": str(ROOT / "specs" / "tiny" / "model")}
        )
        run_plan(plan, store=store, options=RunOptions(exports=False))
        found: dict[str, tuple[str, list[str]]] = {text: (answer, []) for text, answer in problems}
        for (columns,) in store.sql(
            "SELECT columns FROM row_outcome WHERE status = 'kept' ORDER BY candidate"
        ):
            row = json.loads(columns)
            found[row["problem"]][1].append(row["solution"])
        return {text: (answer, solutions) for text, (answer, solutions) in found.items() if solutions}
    finally:
        store.close()


def trained(directory: Path, solved: dict[str, tuple[str, list[str]]]) -> Path:
    """The small model with a reward head, trained to tell its right solutions from its wrong ones."""
    import torch
    import transformers

    small = ROOT / "specs" / "tiny" / "model"
    directory.mkdir()
    tokenizer = transformers.AutoTokenizer.from_pretrained(small)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    body = transformers.AutoModel.from_pretrained(small, dtype=torch.float32)
    head = linear_head(body.config.hidden_size)
    cases = [
        (
            tokenizer.apply_chat_template(chat(text, one), tokenize=True, return_dict=True)["input_ids"],
            final(one) == answer,
        )
        for text, (answer, solutions) in solved.items()
        for one in solutions
    ]
    right = sum(label for _, label in cases) / len(cases)
    print(f"\nreward model: {len(cases)} samples to learn from, {100 * right:.0f} % right")
    optimiser = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-3, weight_decay=0.0)
    rng = random.Random(0)
    for _ in range(3):
        rng.shuffle(cases)
        for at in range(0, len(cases), 32):
            batch = cases[at : at + 32]
            width = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids, _ in batch])
            mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one, _ in batch])
            hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state
            logits = head(hidden[torch.arange(len(batch)), mask.sum(1) - 1])[:, 0]
            wanted = torch.tensor([float(label) for _, label in batch])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return save_reward_model(directory, body, head)


if __name__ == "__main__":
    main()
