"""The parts: each measures one thing through the project's own paths, and tells it as it goes.

Rows are made here, of random words; weights are drawn by the project from an `architecture` block, on the GPU and in
bf16, so that eight billion take seconds and not minutes.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import string
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.gpu.findings import Findings, Skip, Wrong
from mixwright_compiler.catalog.catalog import builtin_catalog
from mixwright_compiler.hardware.fit import load_of
from mixwright_compiler.hardware.machines import MACHINES, Machine
from mixwright_compiler.hardware.model import shape_of
from mixwright_compiler.plan.plan import Fingerprint, ModelSpec, Origin, Plan, Train

ORIGIN = Origin(file="gpu.mix", line=1, column=1)
BF16 = 2.0**-8
"""One rounding of bf16, relative."""
LOSS_APART, NORM_APART = BF16 / 16, BF16
"""What packed and padded may differ by, relative: a mean over thousands of tokens rounds less than one of them. Where
examples see each other the loss moves by 4e-4 at least and its gradient by 5e-3 (llama, qwen3, gemma2, gpt_neox, on a
CPU); where they do not, by 1e-7 and 1e-4."""
CHUNKING = "chunked_loss"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "packed": {"packing": "best_fit", CHUNKING: "off"},
    "padded": {"packing": "none", CHUNKING: "off"},
    "chunked": {"packing": "best_fit", CHUNKING: "on"},
}
"""What a `train` block of each variant says."""


@dataclass(frozen=True)
class Scale:
    """Sizes of everything. `largest` has its layers counted by the planner; `tokens` is the most of a micro-batch."""

    vocabulary: int
    words: int
    rows: int
    mean: int
    context: int
    tokens: int
    lines: int
    small: Mapping[str, Any]
    largest: Mapping[str, Any]
    tried: Mapping[str, Any]
    """The model of the parts that measure no speed."""


FULL = Scale(
    vocabulary=32_000,
    words=24_000,
    rows=2_000,
    mean=300,
    context=4096,
    tokens=32_768,
    lines=10,
    small={"hidden": 2048, "layers": 16, "heads": 16, "kv_heads": 8, "ffn": 8192, "tie": True},
    largest={"hidden": 4096, "heads": 32, "kv_heads": 8, "ffn": 14_336, "tie": False},
    tried={"hidden": 768, "layers": 8, "heads": 12, "kv_heads": 4, "ffn": 2048, "tie": True},
)
TOY = Scale(
    vocabulary=400,
    words=60,
    rows=32,
    mean=24,
    context=96,
    tokens=192,
    lines=5,
    small={"hidden": 64, "layers": 2, "heads": 2, "kv_heads": 1, "ffn": 128, "tie": True},
    largest={"hidden": 128, "heads": 2, "kv_heads": 1, "ffn": 256, "tie": False},
    tried={"hidden": 32, "layers": 2, "heads": 2, "kv_heads": 1, "ffn": 64, "tie": True},
)
TOY_MACHINE = replace(MACHINES["l4_24gb"], name="toy", memory_bytes=16e6)
"""What the toy size plans for, since the planner knows no CPU."""
SMALLER = 0.97
"""Share of the GPU's memory that the largest model may take by the planner."""
CONFIGURED = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "moe_intermediate_size": 64,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 4,
}
TRIED = ("llama", "qwen2", "qwen3", "mistral", "gemma2", "olmo2", "phi3", "gpt_neox", "qwen3_moe")
LEAKING = ("opt", "bloom", "mamba")


def machine(asked: Mapping[str, Any], findings: Findings) -> None:
    """What the machine is, and how fast one plain product of bf16 matrices is, which nothing that trains exceeds."""
    findings.put("cores", len(os.sched_getaffinity(0)))
    findings.put("python", platform.python_version())
    findings.put("memory_bytes", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    findings.put("disk_bytes", shutil.disk_usage(asked["work"]).free)
    names = ("transformers", "accelerate", "deepspeed", "peft", "safetensors", "tokenizers", "vllm")
    findings.put("packages", {name: _version(name) for name in (*names, "flash_attn", "liger_kernel")})
    findings.put("cuda", False)
    try:
        import torch
    except ImportError as error:
        findings.put("why_no_cuda", f"torch cannot be imported: {error}")
        raise
    findings.put("torch", torch.__version__)
    if torch.cuda.is_available():
        from mixwright_runtime.training.planning.room import machine_here

        properties = torch.cuda.get_device_properties(0)
        known = machine_here()
        findings.put("cuda", True)
        findings.put("device", properties.name)
        findings.put("device_bytes", properties.total_memory)
        findings.put("cuda_version", torch.version.cuda)
        findings.put("driver", _driver())
        findings.put("bf16", torch.cuda.is_bf16_supported())
        findings.put("known_as", known.name if known else None)
    else:
        findings.put("why_no_cuda", "torch.cuda is not available")
    findings.put("matmul_tflops", _matmul_tflops(torch, 256 if asked["is_toy"] or not _has_gpu() else 8192))


def small(asked: Mapping[str, Any], findings: Findings) -> None:
    """ZeRO-3 in bf16 at about a billion parameters, packed, padded and chunked."""
    scale = _scale(asked)
    _measure(asked, findings, scale, dict(scale.small))


def largest(asked: Mapping[str, Any], findings: Findings) -> None:
    """The same with as many layers as fit by the planner's forecast; what host and disk cannot hold is less."""
    scale = _scale(asked)
    planned_for = _planned_for(asked)
    if planned_for is None:
        raise Skip("the planner does not know this GPU")
    tokenizer = _tokenizer(asked, scale)
    sizes, fitted = None, ""
    for layers in range(1, 129):
        tried = {**scale.largest, "layers": layers}
        train = _train(scale, tokenizer, architecture=tried, **_said_of(VARIANTS["packed"]))
        shape = _shape(train)
        total = load_of(train.attributes, shape, micro_batch=1, width=scale.context).memory(1).total
        if total > SMALLER * planned_for.memory_bytes:
            fitted = (
                f"{layers} layers would take {total / 1e9:,.4g} GB of {planned_for.memory_bytes / 1e9:,.4g}"
            )
            break
        room = _host_room(asked)
        if 3 * shape.parameters > room:
            fitted = f"{layers} layers of bf16 weights do not fit in {room / 1e9:,.0f} GB of memory and disk"
            break
        sizes = tried
    findings.put("limited_by", fitted)
    if sizes is None:
        raise Skip(f"not one layer fits: {fitted}")
    _measure(asked, findings, scale, sizes)


def probe(asked: Mapping[str, Any], findings: Findings) -> None:
    """The constants of this machine, as `mixwright train --probe` measures them; kept as a file for `mixwright plan`."""
    from mixwright_runtime.training.planning.probe import write_calibration
    from mixwright_runtime.training.probing import probe as measured

    scale = _scale(asked)
    tokenizer = _tokenizer(asked, scale)
    base = _model(asked, scale, tokenizer, dict(scale.small), "small")
    train = _train(scale, tokenizer, base=base, micro_batch=max(2, scale.tokens // scale.context))
    said: list[str] = []
    place = Path(asked["work"]) / "probe"
    found = measured(_plan(place), train, _rows(scale), place / "out", ranks=1, says=said.append)
    for name, value in asdict(found).items():
        findings.put(name, value)
    findings.put("said", said)
    findings.put("file", str(write_calibration(found, Path(asked["out"]))))


def equality(asked: Mapping[str, Any], findings: Findings) -> None:
    """Packed is padded with this machine's kernels: logits in fp32 by the preflight, loss and gradient in bf16."""
    import torch
    from transformers import AutoConfig

    from mixwright_runtime.training.preflight import LEAK_LIMIT
    from mixwright_runtime.training.trials import Unknown, leak_of

    scale, device = _scale(asked), _device()
    leaks: dict[str, float] = {}
    wrong: list[str] = []
    for name in (TRIED[0], LEAKING[0]) if asked["is_toy"] else (*TRIED, *LEAKING):
        try:
            with torch.device(device):
                leaks[name] = leak_of(AutoConfig.for_model(name))
        except Unknown as error:
            # Such a one is padded, which is right for one that leaks.
            wrong += [f"{name} cannot be tried: {error}"] if name in TRIED else []
        findings.put("leaks", leaks)
    wrong += [f"{name} leaks" for name in leaks if name in TRIED and leaks[name] > LEAK_LIMIT]
    wrong += [f"{name} is not told" for name in leaks if name in LEAKING and leaks[name] <= LEAK_LIMIT]
    tokenizer = _tokenizer(asked, scale)
    found: dict[str, Any] = {}
    for name in TRIED[:1] if asked["is_toy"] else TRIED:
        base = _other_model(asked, scale, tokenizer, name)
        of = {
            packing: _loss_and_gradient(asked, scale, tokenizer, base, packing)
            for packing in ("best_fit", "none")
        }
        apart = [
            abs(packed - padded) / padded for packed, padded in zip(of["best_fit"], of["none"], strict=True)
        ]
        found[name] = {
            "packed": of["best_fit"],
            "padded": of["none"],
            "loss_apart": apart[0],
            "norm_apart": apart[1],
        }
        findings.put("losses", found)
        if not (apart[0] <= LOSS_APART and apart[1] <= NORM_APART):
            wrong.append(f"{name}: loss {apart[0]:.2g} and gradient {apart[1]:.2g} apart")
    if wrong:
        raise Wrong("; ".join(wrong))


def resume(asked: Mapping[str, Any], findings: Findings) -> None:
    """A fresh model trained straight through, stopped and continued, and padded: the same losses, by whole jobs."""
    from mixwright_runtime.training.curve import read_curve
    from mixwright_runtime.training.train import train_mixture

    scale = replace(_scale(asked), rows=16 if asked["is_toy"] else 256)
    tokenizer, rows = _tokenizer(asked, _scale(asked)), _rows(scale)
    steps, place = 4, Path(asked["work"]) / "resume"
    # Each step takes every row, so that the packed and the padded steps are of the same examples.
    common = {
        "architecture": dict(scale.tried),
        "batch": len(rows),
        "steps": steps,
        "checkpoints": 1,
        "warmup": 0.0,
    }

    def losses(name: str) -> list[float]:
        return [line["loss"] for line in read_curve(place / name / "curve.jsonl")]

    train = _train(scale, tokenizer, **common)
    straight = train_mixture(_plan(place), train, rows, place / "straight", ranks=1)
    findings.put("straight", losses("straight"))
    findings.put("reloaded_loss", straight.reloaded_loss)
    paused = train_mixture(_plan(place), train, rows, place / "stopped", ranks=1, pause_after=steps // 2)
    findings.put("paused_at", paused.steps)
    train_mixture(_plan(place), train, rows, place / "stopped", ranks=1)
    findings.put("continued", losses("stopped"))
    weights = [(place / name / "model.safetensors").read_bytes() for name in ("straight", "stopped")]
    findings.put("same_bytes", weights[0] == weights[1])
    findings.put("same_losses", losses("straight") == losses("stopped"))
    apart = _apart(losses("straight"), losses("stopped"))
    findings.put("continued_apart", apart)
    if not apart <= BF16:
        raise Wrong(f"losses of the continued run are {apart:.2g} off")
    if asked["is_toy"]:
        return
    padded = _train(scale, tokenizer, **common, packing="none")
    train_mixture(_plan(place), padded, rows, place / "padded", ranks=1)
    findings.put("padded", losses("padded"))
    apart = _apart(losses("straight"), losses("padded"))
    findings.put("padded_apart", apart)
    # Differences grow with the steps; the first is of equal weights.
    if not _apart(losses("straight")[:1], losses("padded")[:1]) <= LOSS_APART or not apart <= BF16:
        raise Wrong(f"losses of packed and padded steps are {apart:.2g} apart")


def engines(asked: Mapping[str, Any], findings: Findings) -> None:
    """Greedy answers through the engines that are here, at once, and whether vLLM writes what `transformers` does."""
    scale = _scale(asked)
    tokenizer = _tokenizer(asked, scale)
    model = _model(asked, scale, tokenizer, dict(scale.tried), "tried")
    found, texts = {}, {}
    findings.put("runs", found)
    for name in ("transformers", "vllm"):
        if importlib.util.find_spec(name) is None:
            found[name] = {"why": f"{name} is not installed"}
        else:
            found[name], texts[name] = asyncio.run(_answered(asked, scale, model, name))
        findings.put("runs", found)
    if "vllm" in texts:
        same = [a == b for a, b in zip(texts["vllm"], texts["transformers"], strict=True)]
        # Random weights have near ties, which kernels break differently: told, and no fault.
        findings.put("same_answers", sum(same) / len(same))
    else:
        raise Skip(
            f"vLLM: {found['vllm']['why']}; transformers {found['transformers']['tokens_per_s']:,.0f} tokens/s"
        )


class _Enough(Exception):
    """As many steps as are timed have been run."""


def _measure(asked: Mapping[str, Any], findings: Findings, scale: Scale, sizes: dict[str, Any]) -> None:
    """Time the variants of one model, one after the other."""
    began = time.monotonic()
    tokenizer = _tokenizer(asked, scale)
    name = f"{sizes['hidden']}x{sizes['layers']}"
    findings.put("sizes", sizes)
    base = _model(asked, scale, tokenizer, sizes, name)
    findings.put("drawn_s", round(time.monotonic() - began, 1))
    runs: dict[str, Any] = {}
    faults = []
    took = 0.0
    for variant in asked["variants"]:
        left = float(asked["seconds"]) - (time.monotonic() - began)
        if variant == "chunked" and CHUNKING not in _defaults():
            runs[variant] = {"why": f"`train` has no attribute `{CHUNKING}`"}
        elif left < took:
            runs[variant] = {"why": f"{left:.0f} s were left, and the run before took {took:.0f}"}
        else:
            since = time.monotonic()
            try:
                runs[variant] = _timed(asked, scale, tokenizer, base, variant)
            except Exception as error:
                # One that does not fit must not cost the others.
                runs[variant] = {"why": f"{type(error).__name__}: {error}"}
                faults.append(variant)
            took = time.monotonic() - since
        findings.put("runs", runs)
    if faults:
        raise Wrong(f"{', '.join(faults)}: {runs[faults[0]]['why']}")


def _timed(
    asked: Mapping[str, Any], scale: Scale, tokenizer: Path, base: Path, variant: str
) -> dict[str, Any]:
    """Steady steps of one job; it is ended once there are enough, for nothing is to be saved."""
    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.planning.job_of import train_forecast
    from mixwright_runtime.training.planning.lengths import lengths_of
    from mixwright_runtime.training.planning.probe import steady_seconds
    from mixwright_runtime.training.prepare import Prepared
    from mixwright_runtime.training.train import Listener, train_mixture

    # A place of its own: a job of the same weights would read the curve of the one before.
    place = Path(asked["work"]) / f"{base.name}-{variant}"
    given = _said_of(VARIANTS[variant])
    planned_for = _planned_for(asked)
    # A micro-batch of as many tokens as the planner allows, up to where more makes nothing faster.
    micro = max(1, scale.tokens // scale.context)
    attributes = dict(_train(scale, tokenizer, base=base, **given).attributes)
    shape = _shape(_train(scale, tokenizer, base=base))
    while micro > 1 and planned_for is not None:
        if load_of(attributes, shape, micro_batch=micro, width=scale.context).fits(planned_for, 1):
            break
        micro //= 2
    # Two micro-batches a step, of examples of the mean length.
    per_step = max(1, 2 * micro * scale.context // scale.mean)
    cluster = {"gpus": 1, "gpu": planned_for.name} if planned_for and planned_for.name in MACHINES else None
    train = _train(
        scale,
        tokenizer,
        base=base,
        micro_batch=micro,
        batch=2 * micro if given["packing"] == "none" else per_step,
        steps=10 * scale.lines,
        cluster=cluster,
        **given,
    )
    lines: list[dict[str, Any]] = []
    jobs: list[Prepared] = []

    def line(told: dict[str, Any]) -> None:
        lines.append(told)
        if len(lines) >= scale.lines:
            raise _Enough

    with suppress(_Enough):
        train_mixture(
            _plan(place),
            train,
            _rows(scale),
            place,
            ranks=1,
            listener=replace(Listener(), prepared=jobs.append, line=line),
        )
    if len(lines) < scale.lines:
        raise RuntimeError(f"{len(lines)} steps were run, {scale.lines} are timed")
    [job] = jobs
    packed = open_packed(job.directory / "packed")
    is_packed = job.settings.packing == "best_fit"
    starts = [np.flatnonzero(packed.positions[n, :used] == 0) for n, used in enumerate(packed.used)]
    lengths = [np.diff([*at, used]) for at, used in zip(starts, packed.used, strict=True)]
    memory = load_of(
        train.attributes,
        shape,
        micro_batch=job.layout.micro,
        width=job.manifest.context if is_packed else job.manifest.longest,
    ).memory(1)
    planned = train_forecast(train, place, lengths_of(np.concatenate(lengths), "measured"))
    steady = lines[3:]
    rates = [told["tokens_per_s"] for told in steady]
    mfus = [told["mfu"] for told in steady if "mfu" in told]
    return {
        "parameters": shape.parameters,
        "context": scale.context,
        "packing": job.settings.packing,
        "micro_batch": job.layout.micro,
        "accumulation": job.layout.accumulation,
        "fill": job.manifest.fill if is_packed else _padded_fill(packed.used, job.layout.micro),
        "steps": len(lines),
        "tokens_per_s": median(rates),
        "seconds_per_step": steady_seconds([b["seconds"] - a["seconds"] for a, b in pairwise(lines)]),
        "mfu": median(mfus) if mfus else None,
        "is_on_gpu": _has_gpu(),
        "peak_bytes": max(told["memory_bytes"] for told in lines),
        "planned_bytes": memory.total,
        "planned_parts": asdict(memory),
        "planned_seconds": planned.found.seconds if planned else None,
        "planned_mfu": planned.found.mfu if planned else None,
        "first_loss": lines[0]["loss"],
        "last_loss": lines[-1]["loss"],
    }


def _padded_fill(used: Any, micro: int) -> float:
    """Share of token places that are not padding where `micro` examples at a time are padded to the longest."""
    whole = np.asarray(used[: len(used) // micro * micro]).reshape(-1, micro)
    return float(whole.sum() / (whole.max(axis=1).sum() * micro))


def _loss_and_gradient(
    asked: Mapping[str, Any], scale: Scale, tokenizer: Path, base: Path, packing: str
) -> tuple[float, float]:
    """Loss per trained token over some rows, and the norm of its gradient, as a rank computes them."""
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    place = Path(asked["work"]) / "equality"
    train = _train(scale, tokenizer, base=base, packing=packing, batch=8)
    rows = _rows(replace(scale, rows=min(scale.rows, 64)))
    job = prepare(settings_of(train, place, ranks=1), rows, place / base.name)
    packed = open_packed(job.directory / "packed")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).to(_device()).train()
    total, bins = 0.0, list(range(len(packed.used)))
    for at in range(0, len(bins), 4):
        batch = {name: value.to(_device()) for name, value in batch_of(packed, bins[at : at + 4]).items()}
        loss = model(**batch, use_cache=False, num_items_in_batch=job.manifest.trained_tokens).loss
        loss.backward()
        total += float(loss.detach())
    squares = sum(float(p.grad.float().square().sum()) for p in model.parameters() if p.grad is not None)
    return total, squares**0.5


async def _answered(
    asked: Mapping[str, Any], scale: Scale, model: Path, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Answers of an engine to some prompts at once."""
    from mixwright_runtime.engines.protocol import EngineEnvironment, Request
    from mixwright_runtime.plugins.declare import implementation

    declared = builtin_catalog().entries[f"model.{name}"]
    few = {"path": str(model), "context": scale.context, "max_in_flight": 64, "gpu_memory": 0.3}
    attributes = {one.name: few.get(one.name, one.default) for one in declared.attributes}
    spec = ModelSpec(name="student", engine=name, attributes=attributes, identity="x", origin=ORIGIN)
    engine = implementation(f"model.{name}")(spec, EngineEnvironment(Path("/")))
    length, count = (16, 4) if asked["is_toy"] else (128, 64)
    sampling = {"temperature": 0.0, "top_p": 1.0, "max_tokens": length, "stop": []}
    prompts = [row["messages"][0]["content"] for row in _rows(replace(scale, rows=count))]
    requests = [Request(b"", ({"role": "user", "content": text},), sampling, 0) for text in prompts]
    began = time.monotonic()
    await engine.start()
    started = time.monotonic()
    try:
        answers = await asyncio.gather(*map(engine.complete, requests))
        seconds = time.monotonic() - started
    finally:
        await engine.close()
        gc.collect()
    tokens = sum(answer.output_tokens for answer in answers)
    told = {
        "start_s": round(started - began, 1),
        "answers": len(answers),
        "tokens": tokens,
        "tokens_per_s": round(tokens / seconds, 1),
    }
    return told, [answer.text for answer in answers]


def _scale(asked: Mapping[str, Any]) -> Scale:
    return TOY if asked["is_toy"] else FULL


def _planned_for(asked: Mapping[str, Any]) -> Machine | None:
    """The machine that jobs are planned for: this one's GPU, or a made-up one at toy size."""
    from mixwright_runtime.training.planning.room import machine_here

    return TOY_MACHINE if asked["is_toy"] else machine_here()


def _host_room(asked: Mapping[str, Any]) -> float:
    """Bytes that host memory and disk both have to spare."""
    available = re.search(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    free = float(shutil.disk_usage(asked["work"]).free)
    return min(free, 1024.0 * int(available.group(1))) if available else free


def _rows(scale: Scale) -> list[dict[str, Any]]:
    """Conversations of random words, log-normal in length as real ones are; the same every time."""
    drawn = np.random.default_rng(0)
    letters = np.array(list(string.ascii_lowercase))
    words = ["".join(drawn.choice(letters, drawn.integers(2, 9))) for _ in range(scale.words)]
    # Three tokens for four words, about: most are seldom enough to be split.
    center = np.log(0.75 * scale.mean) - 0.75**2 / 2
    counts = np.clip(drawn.lognormal(center, 0.75, scale.rows), 4, 0.5 * scale.context).astype(int)
    rows = []
    for number, count in enumerate(counts):
        said = [words[at] for at in drawn.integers(0, len(words), count)]
        asked = max(1, count // 3)
        messages = [
            {"role": "user", "content": " ".join(said[:asked])},
            {"role": "assistant", "content": " ".join(said[asked:])},
        ]
        rows.append({"id": f"r{number}", "component": "words", "messages": messages})
    return rows


def _tokenizer(asked: Mapping[str, Any], scale: Scale) -> Path:
    """A tokenizer of the rows' words, made by the part that first needs it."""
    from mixwright_runtime.training.tokenizer import train_tokenizer

    place = Path(asked["work"]) / "tokenizer"
    if not place.exists():
        partial = place.with_name("tokenizer.partial")
        shutil.rmtree(partial, ignore_errors=True)
        texts = (message["content"] for row in _rows(scale) for message in row["messages"])
        train_tokenizer(texts, partial, vocabulary=scale.vocabulary, context=scale.context)
        partial.rename(place)
    return place


def _model(asked: Mapping[str, Any], scale: Scale, tokenizer: Path, sizes: dict[str, Any], name: str) -> Path:
    """A directory with weights drawn as for `architecture`, in bf16 and on the GPU; made by the part that needs it."""
    import torch

    from mixwright_runtime.training.fresh import write_initial
    from mixwright_runtime.training.preview import load_tokenizer
    from mixwright_runtime.training.settings import settings_of

    place = Path(asked["work"]) / "models" / name
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        train = _train(scale, tokenizer, architecture=sizes)
        settings = settings_of(train, place.parent, ranks=1)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        try:
            with torch.device(_device()):
                write_initial(settings, load_tokenizer(str(tokenizer), ""), place)
        finally:
            torch.set_default_dtype(before)
        gc.collect()
        if _has_gpu():
            # The ranks need what this process would keep for itself.
            torch.cuda.empty_cache()
    return place


def _other_model(asked: Mapping[str, Any], scale: Scale, tokenizer: Path, name: str) -> Path:
    """A small model of another architecture, with random weights and the same tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place = Path(asked["work"]) / "models" / name
    loaded = AutoTokenizer.from_pretrained(tokenizer)
    sizes = {**CONFIGURED, "vocab_size": len(loaded), "max_position_embeddings": scale.context}
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **sizes)).save_pretrained(place)
    loaded.save_pretrained(place)
    return place


def _said_of(variant: Mapping[str, Any]) -> dict[str, Any]:
    """What a variant says, of what this version knows."""
    return {name: value for name, value in variant.items() if name in _defaults()}


def _defaults() -> dict[str, Any]:
    return {one.name: one.default for one in builtin_catalog().entries["train.sft"].attributes}


def _train(scale: Scale, tokenizer: Path, **given: Any) -> Train:
    """A `train` block: the declared defaults, a constant small rate, and what is given."""
    own = {
        "context": scale.context,
        "batch": 8,
        "micro_batch": 2,
        "steps": 4,
        "learning_rate": 1e-4,
        "checkpoints": 0,
        "output": "out",
        "ranks": 1,
    }
    if given.get("base") is not None:
        given["base"] = str(given["base"])
    else:
        own["tokenizer"] = str(tokenizer)
    return Train(
        name="gpu",
        mixture="words",
        attributes={**_defaults(), **own, **given},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=ORIGIN,
    )


def _plan(directory: Path) -> Plan:
    directory.mkdir(parents=True, exist_ok=True)
    place = str(directory)
    return Plan(mixwright_version="0", edition=2026, spec="gpu.mix", root=place, directory=place, files=())


def _shape(train: Train) -> Any:
    found = shape_of(train.attributes, Path("/"))
    assert found is not None
    return found[0]


def _apart(one: list[float], other: list[float]) -> float:
    """Largest relative difference of two curves."""
    return float(np.max(np.abs(np.subtract(one, other)) / one))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        return None


def _matmul_tflops(torch: Any, size: int) -> float:
    """The fastest of some products of two square bf16 matrices."""
    left = torch.randn(size, size, device=_device(), dtype=torch.bfloat16)
    fastest = float("inf")
    for _ in range(10):
        began = time.monotonic()
        left @ left
        if left.is_cuda:
            torch.cuda.synchronize()
        fastest = min(fastest, time.monotonic() - began)
    return round(2 * size**3 / max(fastest, 1e-9) / 1e12, 3)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _device() -> str:
    return "cuda" if _has_gpu() else "cpu"
