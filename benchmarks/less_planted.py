"""LESS finds a planted subset: problems among Alpaca instructions, with other such problems as the target.

    python benchmarks/less_planted.py --data DIR [--kind sums|gsm8k] [--rows 600] [--planted 40]

DIR holds `alpaca/alpaca_data_52k.jsonl`, and for `gsm8k` its `train.jsonl` and `test.jsonl`; `sums` are problems of the
model's own kind, made here. The model is the one in `specs/tiny/model`. Beside LESS stand what a user would try first:
TF-IDF similarity to the targets, and length. Printed: the share of planted rows among the first `planted`, and the
area under the ROC curve; then the projection's error in cosines against its cost, and rows per CPU-second.

With --agreement instead: how the scores of projected gradients rank the rows beside those of the gradients themselves
(Spearman's rho, and the share of the best twentieth that is the same), for several sizes of the projection and seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "specs" / "tiny" / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", choices=("sums", "gsm8k"), default="sums")
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--planted", type=int, default=40)
    parser.add_argument("--targets", type=int, default=12)
    parser.add_argument("--agreement", action="store_true", help="projected scores beside exact ones")
    arguments = parser.parse_args()
    if arguments.kind == "sums":
        problems = sums(arguments.planted + arguments.targets)
        planted, targets = problems[: arguments.planted], problems[arguments.planted :]
    else:
        place = arguments.data / "gsm8k"
        planted = [gsm8k(row) for row in lines(place / "train.jsonl", arguments.planted)]
        targets = [gsm8k(row) for row in lines(place / "test.jsonl", arguments.targets)]
    rows, is_planted = planted_rows(arguments.data, arguments.rows, planted)
    if arguments.agreement:
        with tempfile.TemporaryDirectory() as place:
            agreement(rows, targets, Path(place))
        return
    began = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        found, names = less(rows, targets, Path(place))
    spent = time.process_time() - began
    kept = [int(name) for name in names]
    labels = [is_planted[i] for i in kept]
    texts = [text_of(rows[i]) for i in kept]
    print(f"{len(kept)} rows, {sum(labels)} planted, {len(targets)} targets ({arguments.kind})\n")
    print(f"{'method':<24}{'in the first ' + str(sum(labels)):>16}{'AUC':>8}")
    for name, values in (
        ("LESS", found),
        ("TF-IDF similarity", tf_idf(texts, [text_of(t) for t in targets])),
        ("length", [float(len(text)) for text in texts]),
    ):
        print(f"{name:<24}{precision(values, labels):>16.0%}{auc(values, labels):>8.3f}")
    print(
        f"\n{len(kept) * 4 / spent:,.1f} features (row and epoch) per CPU-second, warm-up and projection included"
    )
    projection_errors()


Chat = list[dict[str, str]]


def planted_rows(data: Path, count: int, planted: Sequence[Chat]) -> tuple[list[Chat], list[bool]]:
    """Chats in a fixed random order, and which of them are planted."""
    found = [(problem, True) for problem in planted]
    for row in lines(data / "alpaca" / "alpaca_data_52k.jsonl", 3 * count):
        if len(found) == count:
            break
        question = " ".join(filter(None, (row["instruction"], row.get("input", ""))))
        if row["output"].strip() and len(question) + len(row["output"]) < 900:
            found.append((chat(question, row["output"]), False))
    order = np.random.Generator(np.random.Philox(key=7)).permutation(len(found))
    return [found[i][0] for i in order], [found[i][1] for i in order]


def sums(count: int) -> list[Chat]:
    """Additions with their sums worked digit by digit, as the model writes them; persona and thing vary."""
    drawn = np.random.Generator(np.random.Philox(key=11))
    people, things = (
        ("nurse", "baker", "pilot", "judge", "miner"),
        ("apples", "coins", "books", "keys", "hats"),
    )
    made = []
    for _ in range(count):
        a, b = (int(n) for n in drawn.integers(10, 49, 2))
        who, what = people[int(drawn.integers(5))], things[int(drawn.integers(5))]
        carried = (a % 10 + b % 10) // 10
        work = f"{a}+{b}: {a % 10}+{b % 10}={a % 10 + b % 10}, {a // 10}+{b // 10}+{carried}={(a + b) // 10}"
        question = f"A {who} has {a} {what}. The {who} finds {b} more. How many {what} are there now?"
        made.append(chat(question, f"{work}\n#### {a + b}"))
    return made


def lines(path: Path, most: int) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(most), file, strict=False)]


def gsm8k(row: dict[str, Any]) -> Chat:
    return chat(row["question"], re.sub(r"<<.*?>>", "", row["answer"]))


def chat(user: str, assistant: str) -> Chat:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


def text_of(messages: Chat) -> str:
    return " ".join(message["content"] for message in messages)


def less(rows: Sequence[Any], targets: Sequence[Any], place: Path) -> tuple[Any, tuple[str, ...]]:
    """Scores by the job that `select less` runs, in this process so that its CPU time is ours."""
    from mixwright_runtime.training.influence.job import run
    from mixwright_runtime.training.influence.prepare import examples_of, write_examples
    from mixwright_runtime.training.influence.score import scores_file
    from mixwright_runtime.training.influence.settings import Adapters, LessSettings
    from mixwright_runtime.training.preview import load_tokenizer

    settings = LessSettings(
        str(MODEL),
        context=512,
        fraction=0.2,
        batch=16,
        learning_rate=1e-3,
        adapters=Adapters(rank=16, alpha=64),
    )
    tokenizer = load_tokenizer(settings.place)
    examples, _ = examples_of(
        ({"id": str(i), "messages": m} for i, m in enumerate(rows)), tokenizer, settings.context
    )
    wanted, _ = examples_of(
        ({"id": str(i), "messages": m} for i, m in enumerate(targets)), tokenizer, settings.context
    )
    write_examples(examples, place / "rows")
    write_examples(wanted, place / "targets")
    tasks = [0] * len(wanted)
    (place / "tasks.json").write_text(json.dumps(tasks))
    (place / "settings.json").write_text(settings.to_json())
    run(place)
    return np.load(scores_file(place, tasks)), examples.names


def agreement(rows: Sequence[Any], targets: Sequence[Any], place: Path) -> None:
    """Print how projected scores rank rows beside exact ones, after the warm-up that `less` runs."""
    import torch

    from mixwright_runtime.training.influence.gradients import adam_direction, gradient_of, trainable
    from mixwright_runtime.training.influence.prepare import read_examples
    from mixwright_runtime.training.influence.projection import Projector
    from mixwright_runtime.training.influence.score import scores
    from mixwright_runtime.training.influence.settings import settings_from_json
    from mixwright_runtime.training.influence.warmup import load_adapted, load_adapters

    less(rows, targets, place)
    settings = settings_from_json((place / "settings.json").read_text())
    examples, wanted = read_examples(place / "rows"), read_examples(place / "targets")
    model = load_adapted(settings).eval()
    exact, rates = [], []
    for epoch in sorted(file.parent for file in (place / "warmup").rglob("epoch.json")):
        load_adapters(model, epoch / "adapter.safetensors")
        size = sum(parameter.numel() for _, parameter in trainable(model))
        first, second = (torch.from_numpy(array) for array in np.load(epoch / "moments.npy"))
        found = []
        for part, is_target in ((examples, False), (wanted, True)):
            vectors = torch.zeros(len(part), size)
            for i in range(len(part)):
                gradient = gradient_of(model, *part[i])
                if gradient is not None:
                    vectors[i] = gradient if is_target else adam_direction(gradient, first, second)
            found.append(vectors)
        exact.append(found)
        rates.append(float(json.loads((epoch / "epoch.json").read_text())["rate"]))

    def scored(parts: list[list[Any]]) -> Any:
        unit = [[torch.nn.functional.normalize(p, dim=1).numpy() for p in found] for found in parts]
        return scores([a for a, _ in unit], [b for _, b in unit], rates, [0] * len(wanted))

    reference = scored(exact)
    best = max(1, len(reference) // 20)
    print(
        f"{len(reference)} rows; exact scores have mean {reference.mean():.4f}, deviation {reference.std():.4f}"
    )
    print(f"{'projection to':<16}{'rho':>8}{'same of the best ' + str(best):>24}")
    for k in (2048, 4096, 8192, 16_384):
        rhos, same = [], []
        for seed in range(3):
            projector = Projector(size, k, seed=seed)
            projected = [[torch.stack([projector(v) for v in p]) for p in found] for found in exact]
            got = scored(projected)
            rhos.append(np.corrcoef(got.argsort().argsort(), reference.argsort().argsort())[0, 1])
            same.append(len(set(got.argsort()[-best:]) & set(reference.argsort()[-best:])) / best)
        print(f"{k:<16,}{np.mean(rhos):>8.3f}{np.mean(same):>24.0%}", flush=True)


def tf_idf(texts: Sequence[str], targets: Sequence[str]) -> list[float]:
    """Mean cosine of a text's TF-IDF vector with the targets'."""
    bags = [Counter(re.findall(r"\w+", text.lower())) for text in (*texts, *targets)]
    seen = Counter(word for bag in bags for word in bag)

    def vector(bag: Counter[str]) -> dict[str, float]:
        weights = {word: n * math.log(len(bags) / seen[word]) for word, n in bag.items()}
        length = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        return {word: w / length for word, w in weights.items()}

    vectors = [vector(bag) for bag in bags]
    wanted = vectors[len(texts) :]
    return [
        sum(sum(w * other.get(word, 0.0) for word, w in own.items()) for other in wanted) / len(wanted)
        for own in vectors[: len(texts)]
    ]


def precision(values: Sequence[float], labels: Sequence[bool]) -> float:
    """The share of the best that is planted, looking at as many as are planted."""
    order = sorted(range(len(values)), key=lambda i: -values[i])[: sum(labels)]
    return sum(labels[i] for i in order) / max(1, len(order))


def auc(values: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a planted row is ranked above another one."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = sum(place for place, i in enumerate(order, 1) if labels[i])
    planted, others = sum(labels), len(labels) - sum(labels)
    return (ranks - planted * (planted + 1) / 2) / (planted * others)


def projection_errors() -> None:
    import torch

    from mixwright_runtime.training.influence.projection import Projector

    size = 43_008
    drawn = torch.Generator().manual_seed(0)
    vectors = torch.randn(40, size, generator=drawn)
    vectors += torch.randn(1, size, generator=drawn) * torch.linspace(0, 2, 40)[:, None]
    exact = cosines(vectors)
    print(f"\n{'projection of 43,008':<24}{'k':>6}{'mean |cosine error|':>22}{'CPU ms a row':>14}")
    for method, sizes in (("sjlt", (512, 2048, 8192)), ("rademacher", (512, 2048))):
        for k in sizes:
            projector = Projector(size, k, seed=0, method=method)  # type: ignore[arg-type]
            projector(vectors[0])
            began = time.process_time()
            projected = torch.stack([projector(vector) for vector in vectors])
            spent = (time.process_time() - began) / len(vectors) * 1000
            error = float((cosines(projected) - exact).abs().mean())
            print(f"{method:<24}{k:>6}{error:>22.4f}{spent:>14.2f}")


def cosines(vectors: Any) -> Any:
    import torch

    normed = torch.nn.functional.normalize(vectors, dim=1)
    upper = torch.triu_indices(len(vectors), len(vectors), 1)
    return (normed @ normed.T)[upper[0], upper[1]]


if __name__ == "__main__":
    main()
