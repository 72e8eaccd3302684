"""The loss of whole jobs on small models of many architectures, beside a plain PyTorch loop: `python
benchmarks/architecture_losses.py [NAME …]`; needs the training extra, and about 20 CPU-seconds an architecture.

Each job is a real one: ZeRO-3 on two ranks, fp32, packed where the architecture keeps examples apart and padded where it
does not, accumulated, and the last step smaller than the others. The loop has one process, one document at a time and
AdamW. Printed: the largest difference of a step's loss, relative to it, over all steps.
"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NAMES = (
    *(
        "llama",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "mistral",
        "phi3",
        "olmo2",
        "gemma2",
        "gemma3_text",
        "gpt_neox",
    ),
    *("gpt2", "granite", "starcoder2", "stablelm", "cohere2", "opt"),
)
RATE = 1e-3
CONTEXT = 128


def main() -> None:
    print(f"{'architecture':<16}{'examples':>10}{'steps':>7}{'first loss':>12}{'last':>10}{'difference':>12}")
    for name in sys.argv[1:] or NAMES:
        with tempfile.TemporaryDirectory() as place:
            try:
                print(f"{name:<16}{compared(name, Path(place))}", flush=True)
            except Exception as error:
                print(f"{name:<16}  {type(error).__name__}: {str(error).strip()[-300:]}", flush=True)


def compared(name: str, place: Path) -> str:
    from mixwright_compiler.plan.plan import Fingerprint, Origin, Plan, Train
    from mixwright_runtime.plugins.declare import plugins
    from mixwright_runtime.training.curve import read_curve
    from mixwright_runtime.training.train import train_mixture

    build(name, place / "model")
    defaults = {a.name: a.default for a in plugins()["train.sft"].entry.attributes}
    given = {
        "base": str(place / "model"),
        "context": CONTEXT,
        "batch": 8,
        "micro_batch": 1,
        "epochs": 1.0,
        "ranks": 2,
    }
    given |= {
        "precision": "fp32",
        "packing": "auto",
        "zero": 3,
        "learning_rate": RATE,
        "warmup": 0.0,
        "clip": 1e9,
    }
    given |= {"output": "out", "checkpoints": 0, "weight_decay": 0.0}
    train = Train(
        name="student",
        mixture="m",
        attributes={**defaults, **given},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="t.mix", line=1, column=1),
    )
    plan = Plan(
        mixwright_version="0",
        edition=2026,
        spec="t.mix",
        root=str(place),
        directory=str(place),
        files=(),
    )
    train_mixture(plan, train, conversations(), place / "out")
    ours = read_curve(place / "out" / "curve.jsonl")
    [state] = [file.parent for file in (place / "out" / "state").glob("*/slots.npy")]
    theirs = plain_losses(place / "model", state, [line["learning_rate"] for line in ours])
    worst = max(abs(a["loss"] - b) / b for a, b in zip(ours, theirs, strict=True))
    packing = json.loads((state / "settings.json").read_text())["packing"]
    how = "padded" if packing == "none" else "packed"
    return f"{how:>10}{len(ours):>7}{ours[0]['loss']:>12.6f}{ours[-1]['loss']:>10.6f}{worst:>12.1e}"


def build(name: str, place: Path) -> None:
    """A model of two layers or as many as hold each kind, with a tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from mixwright_runtime.training.trials import _SMALL, _shrunk
    from tests.random_model import build as build_tokenizer

    build_tokenizer(place)
    size = json.loads((place / "config.json").read_text())["vocab_size"]
    (place / "model.safetensors").unlink()
    config = _shrunk(AutoConfig.for_model(name).get_text_config(), {**_SMALL, "vocab_size": size})
    config.pad_token_id, config.eos_token_id = 0, 4
    for option, value in vars(config).items():
        if ("drop" in option or option == "attn_pdrop") and isinstance(value, float):
            setattr(config, option, 0.0)  # what is drawn differs between one document and a pack of them
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).float().save_pretrained(place)


def conversations() -> list[dict[str, Any]]:
    """Forty-three short chats of different lengths: no multiple of the batch."""
    return [
        {
            "id": f"r{i}",
            "component": "sums",
            "messages": [
                {"role": "user", "content": f"Ada has {i} pears. " * (1 + i % 4)},
                {"role": "assistant", "content": f"{i}+1: #### {i + 1}"},
            ],
        }
        for i in range(43)
    ]


def plain_losses(model_place: Path, state: Path, rates: list[float]) -> list[float]:
    """The same steps by hand: every document alone, the sum of its losses, AdamW."""
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.packed import open_packed

    packed, slots = open_packed(state / "packed"), np.load(state / "slots.npy")
    model = AutoModelForCausalLM.from_pretrained(model_place, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    found = []
    for rate, bins in zip(rates, slots.reshape(len(rates), -1), strict=True):
        documents = []
        for number in bins[bins >= 0]:
            used = int(packed.used[number])
            borders = [*np.flatnonzero(packed.positions[number, :used] == 0), used]
            for start, end in pairwise(borders):
                if end - start > 1:
                    documents.append(
                        [
                            torch.from_numpy(a[number, start:end].astype(np.int64))
                            for a in (packed.tokens, packed.labels)
                        ]
                    )
        trained = sum(int((labels[1:] != -100).sum()) for _, labels in documents)
        total = 0.0
        for tokens, labels in documents:
            logits = model(input_ids=tokens[None], use_cache=False).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum")
            (loss / trained).backward()
            total += float(loss.detach())
        found.append(total / trained)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    return found


if __name__ == "__main__":
    main()
