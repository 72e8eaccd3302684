"""Packing and training beside TRL, in one run: `python benchmarks/training_side_by_side.py`; needs torch and TRL.

Three tables. Packing: CPU-seconds and fill at 52,000 and a million lengths (log-normal, mean 130, as
Alpaca's), ours and TRL's `pack_dataset`, which also moves the tokens. Training: real tokens per CPU-second of
forward, backward and AdamW on the same documents and the same small fp32 Llama, one thread: padded to the
longest, our rows (batch, context), TRL's packing flattened by its padding-free collator. Encoding (with
--alpaca FILE): rows per CPU-second from conversations to labels, ours and
`apply_chat_template(return_assistant_tokens_mask=True)`, which neither finds parts of turns nor checks a row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CONTEXT = 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=192, help="documents trained on, each once")
    parser.add_argument("--lengths", type=int, nargs="*", default=[52_000, 1_000_000])
    parser.add_argument("--alpaca", type=Path, help="JSON lines with instruction, input, output")
    parser.add_argument("--rows", type=int, default=8_000, help="rows of it that are encoded")
    arguments = parser.parse_args()
    pack_lengths(arguments.lengths)
    train_documents(arguments.documents)
    if arguments.alpaca:
        encode_conversations(arguments.alpaca, arguments.rows)


def drawn(count: int, most: int) -> np.ndarray:
    """Lengths as of Alpaca with its template: log-normal, mean 130, sigma 0.75."""
    mean = np.log(130) - 0.75**2 / 2
    return np.clip(np.random.default_rng(0).lognormal(mean, 0.75, count).astype(np.int64), 4, most)


def cpu_s(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def pack_lengths(counts: list[int]) -> None:
    import pyarrow as pa
    from datasets import Dataset
    from trl import pack_dataset

    from runtime.training.packing import pack

    print(f"packing{'ours':>43}{'TRL':>24}{'ratio':>9}")
    # At the long context nearly every length occurs once, and TRL moves 1.7 GB for 50,000 sequences.
    for count, context in [*((count, 2048) for count in counts), (50_000, 131_072)]:
        lengths = drawn(count, 2048) * (context // 2048) - np.random.default_rng(1).integers(
            0, context // 2048, count
        )
        ours, bins = cpu_s(lambda lengths=lengths, context=context: pack(lengths, context, seed=0))
        # One byte a token: what is timed is finding places, with as little moving as can be.
        flat = pa.array(np.zeros(int(lengths.sum()), np.int8))
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))))
        table = pa.table({"input_ids": pa.LargeListArray.from_arrays(offsets, flat)})
        data = Dataset(table)
        theirs, packed = cpu_s(
            lambda data=data, context=context: pack_dataset(
                data, context, "bfd", {"load_from_cache_file": False, "keep_in_memory": True}
            )
        )
        fills = [lengths.sum() / (len(found) * context) for found in (bins, packed)]
        print(
            f"{count:>12,} at {context:>7,}   {ours:8.2f} CPU-s, {fills[0]:.2%} full   "
            f"{theirs:8.2f} CPU-s, {fills[1]:.2%}{theirs / ours:8.0f}x"
        )


def train_documents(count: int) -> None:
    import torch
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from runtime.training.encode import Encoded, EncodingCounts
    from runtime.training.job import batch_of
    from runtime.training.packed import open_packed, write_packed

    torch.set_num_threads(1)
    lengths = drawn(count, CONTEXT)
    tokens = [
        np.random.default_rng(n).integers(1, 512, length).astype(np.int32) for n, length in enumerate(lengths)
    ]
    rows = [{"input_ids": t.tolist(), "labels": [-100, *t[1:].tolist()]} for t in tokens]

    def batches_of_ours(place: Path) -> list[dict[str, Any]]:
        sequences = [
            Encoded(str(n), "", t, np.array(r["labels"], np.int32))
            for n, (t, r) in enumerate(zip(tokens, rows, strict=True))
        ]
        options = {"context": CONTEXT, "packing": "best_fit", "seed": 0, "pad": 0, "source": ""}
        write_packed(sequences, place / "packed", counts=EncodingCounts(), **options)
        packed = open_packed(place / "packed")
        return [
            batch_of(packed, list(range(n, min(n + 4, len(packed.used)))))
            for n in range(0, len(packed.used), 4)
        ]

    def collated(padding_free: bool, packed: bool, size: int) -> list[dict[str, Any]]:
        data = Dataset.from_list(rows)
        if packed:
            data = pack_dataset(data, CONTEXT, "bfd")
        collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=padding_free)
        listed = list(data)
        return [dict(collate(listed[n : n + size])) for n in range(0, len(listed), size)]

    with tempfile.TemporaryDirectory() as place:
        ways = {
            "padded, batch 8 (TRL)": collated(False, False, 8),
            "packed, flattened (1, 4 x 512) (TRL)": collated(True, True, 4),
            "packed, rows (4, 512) (ours)": batches_of_ours(Path(place)),
        }
        results = {}
        for name, batches in ways.items():
            torch.manual_seed(0)
            model = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=512,
                    hidden_size=192,
                    intermediate_size=512,
                    num_hidden_layers=4,
                    num_attention_heads=6,
                    num_key_value_heads=3,
                )
            )
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

            def step_all(model: Any = model, optimizer: Any = optimizer, batches: Any = batches) -> float:
                total = 0.0
                for batch in batches:
                    loss = model(**batch, use_cache=False).loss
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    total += float(loss.detach()) * int((batch["labels"] != -100).sum())
                return total / int(lengths.sum() - len(lengths))

            step_all(batches=batches[:1])
            results[name] = cpu_s(step_all)
    print(f"\ntraining, {count} documents, {int(lengths.sum()):,} real tokens")
    slowest = max(seconds for seconds, _ in results.values())
    for name, (seconds, loss) in results.items():
        rate = int(lengths.sum()) / seconds
        print(f"{name:<40}{rate:10,.0f} tokens/CPU-s{slowest / seconds:7.2f}x   mean loss {loss:.4f}")


def encode_conversations(file: Path, count: int) -> None:
    from transformers import AutoTokenizer

    from runtime.training.encode import EncodingCounts, encode
    from runtime.training.tokenizer import train_tokenizer

    rows = []
    with file.open(encoding="utf-8") as lines:
        for number, line in zip(range(count), lines, strict=False):
            given = json.loads(line)
            asked = "\n\n".join(text for text in (given["instruction"], given.get("input")) if text)
            messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": given["output"]}]
            rows.append({"id": str(number), "component": "", "messages": messages})
    with tempfile.TemporaryDirectory() as place:
        texts = (message["content"] for row in rows[:2000] for message in row["messages"])
        train_tokenizer(texts, Path(place), vocabulary=4000, context=2048)
        tokenizer = AutoTokenizer.from_pretrained(place)
    ours, _ = cpu_s(
        lambda: sum(
            1 for _ in encode(rows, tokenizer, context=2048, overlong="truncate", counts=EncodingCounts())
        )
    )

    def plain() -> None:
        for start in range(0, len(rows), 1000):
            tokenizer.apply_chat_template(
                [row["messages"] for row in rows[start : start + 1000]],
                return_dict=True,
                return_assistant_tokens_mask=True,
            )

    theirs, _ = cpu_s(plain)
    print(
        f"\nencoding, {len(rows):,} rows: ours {len(rows) / ours:,.0f} rows/CPU-s, apply_chat_template "
        f"{len(rows) / theirs:,.0f}: {theirs / ours:.2f}x"
    )


if __name__ == "__main__":
    main()
