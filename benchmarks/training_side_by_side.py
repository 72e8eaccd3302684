"""Packing and training beside TRL, in one run: `python benchmarks/training_side_by_side.py`; needs torch and TRL.

Four tables. Packing: CPU-seconds and fill at 52,000 and a million lengths (log-normal, mean 130, as
Alpaca's), ours and TRL's `pack_dataset`, which also moves the tokens. Training: real tokens per CPU-second of
forward, backward and AdamW on the same documents and the same small fp32 Llama, one thread: padded to the
longest, our rows (batch, context) with a mask and with `varlen`, the loss whole and in chunks, TRL's packing
flattened by its padding-free collator. Memory: what one step adds to a process's peak at 32,000 vocabulary
entries, with the loss whole and in chunks, each in a process of its own, all places trained and a third of them.
Encoding (with --alpaca FILE): rows per CPU-second from conversations to labels, ours and
`apply_chat_template(return_assistant_tokens_mask=True)`, which neither finds parts of turns nor checks a row.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
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
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(step_peak(arguments.peak[0] == "chunked", float(arguments.peak[1])))
        return
    pack_lengths(arguments.lengths)
    train_documents(arguments.documents)
    compare_peaks()
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

    from mixwright_runtime.training.packing import pack

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
    from transformers import AutoModelForCausalLM, LlamaConfig
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from mixwright_runtime.training.attention import implementation
    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.chunked import chunked_loss
    from mixwright_runtime.training.encode import Encoded, EncodingCounts
    from mixwright_runtime.training.packed import open_packed, write_packed

    torch.set_num_threads(1)
    lengths = drawn(count, CONTEXT)
    tokens = [
        np.random.default_rng(n).integers(1, 512, length).astype(np.int32) for n, length in enumerate(lengths)
    ]
    rows = [{"input_ids": t.tolist(), "labels": [-100, *t[1:].tolist()]} for t in tokens]

    def batches_of_ours(place: Path, packing: str, size: int) -> list[dict[str, Any]]:
        sequences = [
            Encoded(str(n), "", t, np.array(r["labels"], np.int32))
            for n, (t, r) in enumerate(zip(tokens, rows, strict=True))
        ]
        options = {"context": CONTEXT, "packing": packing, "seed": 0, "pad": 0, "source": ""}
        write_packed(sequences, place / packing, counts=EncodingCounts(), **options)
        packed = open_packed(place / packing)
        return [
            batch_of(packed, list(range(n, min(n + size, len(packed.used)))))
            for n in range(0, len(packed.used), size)
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
            "padded, batch 8 (ours)": batches_of_ours(Path(place), "none", 8),
            "packed, rows (4, 512) (ours)": batches_of_ours(Path(place), "best_fit", 4),
        }
        packed = ways["packed, rows (4, 512) (ours)"]
        ways |= {"packed, varlen (ours)": packed, "packed, varlen, in chunks (ours)": packed}
        results = {}
        for name, batches in ways.items():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(
                LlamaConfig(
                    vocab_size=512,
                    hidden_size=192,
                    intermediate_size=512,
                    num_hidden_layers=4,
                    num_attention_heads=6,
                    num_key_value_heads=3,
                ),
                attn_implementation=implementation("varlen" if "varlen" in name else "sdpa"),
            )
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

            def step_all(
                model: Any = model, optimizer: Any = optimizer, batches: Any = batches, name: str = name
            ) -> float:
                total = 0.0
                for batch in batches:
                    count = int((batch["labels"] != -100).sum())
                    if "chunks" in name:
                        loss = chunked_loss(model, model, batch) / count
                    else:
                        loss = model(**batch, use_cache=False).loss
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    total += float(loss.detach()) * count
                return total / int(lengths.sum() - len(lengths))

            step_all(batches=batches[:1])
            results[name] = cpu_s(step_all)
    print(f"\ntraining, {count} documents, {int(lengths.sum()):,} real tokens")
    slowest = results["padded, batch 8 (TRL)"][0]
    for name, (seconds, loss) in results.items():
        rate = int(lengths.sum()) / seconds
        print(f"{name:<40}{rate:10,.0f} tokens/CPU-s{slowest / seconds:7.2f}x   mean loss {loss:.4f}")


def compare_peaks() -> None:
    print("\nmemory that one step of 2,048 places adds, 32,000 vocabulary entries")
    for share in (1.0, 0.33):
        peaks = {}
        for way in ("whole", "chunked"):
            command = [sys.executable, __file__, "--peak", way, str(share)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            peaks[way] = int(told[0]), float(told[1])
        (whole, seconds), (chunked, seconds_chunked) = peaks["whole"], peaks["chunked"]
        print(
            f"{share:>5.0%} trained   whole {whole / 1e6:7,.0f} MB {seconds:6.2f} CPU-s   "
            f"in chunks {chunked / 1e6:7,.0f} MB {seconds_chunked:6.2f} CPU-s"
        )


def step_peak(is_chunked: bool, share: float) -> str:
    """Bytes that a step adds to this process's peak, and its CPU-seconds."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from mixwright_runtime.training.chunked import chunked_loss
    from mixwright_runtime.training.curve import peak_resident_bytes
    from mixwright_runtime.training.loss import whole_loss

    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32_000, **sizes))
    tokens = torch.randint(1, 32_000, (1, 2048))
    labels = torch.where(torch.rand(tokens.shape) < share, tokens, -100)

    def step(places: int) -> None:
        batch = {"input_ids": tokens[:, :places], "labels": labels[:, :places]}
        loss = chunked_loss(model, model, batch, places=256) if is_chunked else whole_loss(model, batch)
        loss.backward()

    step(16)  # the gradients of the weights are there before
    before = peak_resident_bytes()
    seconds, _ = cpu_s(lambda: step(2048))
    return f"{peak_resident_bytes() - before} {seconds}"


def encode_conversations(file: Path, count: int) -> None:
    from transformers import AutoTokenizer

    from mixwright_runtime.training.encode import EncodingCounts, encode
    from mixwright_runtime.training.tokenizer import train_tokenizer

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
