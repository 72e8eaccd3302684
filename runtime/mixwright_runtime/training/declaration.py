"""What `train NAME on MIXTURE { ... }` accepts: the catalog entries of training."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.hardware.machines import MACHINES
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare


@declare(
    "train",
    "sft",
    one_of=(("base",), ("repo",), ("architecture",)),
    label="name",
    extra="train",
    modules=("torch", "transformers", "accelerate", "deepspeed"),
    attributes=(
        attribute("base", "path", "directory of the model to continue from"),
        attribute("repo", "text", "Hugging Face repository to continue from, instead of `base`"),
        attribute("revision", "text", "commit of that repository"),
        attribute(
            "architecture",
            "json",
            "a fresh Llama instead of a base: `{ hidden, layers, heads, kv_heads, ffn, tie }`",
        ),
        attribute("tokenizer", "path", "tokenizer directory of a fresh model"),
        attribute(
            "vocabulary",
            "count",
            "instead of `tokenizer`: make one of this size from the mixture (byte-level BPE, one token a digit)",
            minimum=300,
        ),
        attribute(
            "chat_template",
            "text",
            "Jinja template instead of the tokenizer's own, saved with the model: a file, or the text of one",
        ),
        attribute(
            "new_tokens",
            "list[text]",
            "tokens that the base's tokenizer gets, one id each, wherever their text stands in a row or the template; the"
            " model's embeddings get a row for each, which starts as the mean of the others",
        ),
        attribute(
            "new_special_tokens",
            "list[text]",
            "the same for control tokens: only the chat template writes them, a row with the text of one is refused, and"
            " they are left out of answers",
        ),
        attribute("context", "count", "longest sequence, in tokens", default=2048, minimum=8),
        attribute(
            "packing",
            "enum:best_fit|auto|none",
            "`best_fit` puts whole examples side by side in sequences of `context` tokens without letting"
            " them see each other, and is refused where the architecture cannot keep them apart; `none` pads each"
            " example; `auto` packs where that is exact and else pads, saying by how much packing was off",
            default="best_fit",
        ),
        attribute("zero", "count", "DeepSpeed ZeRO stage; 0 is plain PyTorch", default=3, maximum=3),
        attribute(
            "precision",
            "enum:bf16|fp32",
            "arithmetic of the model; optimizer state is fp32 in both",
            default="bf16",
        ),
        attribute(
            "offload",
            "enum:none|optimizer|all",
            "keep the optimizer's state, or the weights as well, in the host's memory: slower, and fits more",
            default="none",
            cls="run",
        ),
        attribute(
            "lora",
            "block:train_block.lora",
            "train low-rank adapters instead of all weights; merged into the model at the end",
        ),
        attribute("recompute", "bool", "recompute activations instead of keeping them", default=True),
        attribute("epochs", "float", "passes over the mixture", default=1.0, minimum=0.0),
        attribute("steps", "count", "optimizer steps, instead of `epochs`", minimum=1),
        attribute("learning_rate", "float", "peak learning rate", default=2e-5, minimum=0.0),
        attribute(
            "schedule",
            "enum:linear|cosine|constant|wsd",
            "how the rate falls after the warm-up: `linear`, along a `cosine`, not at all (`constant`), or `wsd`: it"
            " stays, and falls linearly in the last part of the steps, `decay`",
            default="linear",
        ),
        attribute(
            "decay", "share", "part of the steps in which `schedule = wsd` falls", default=0.2, maximum=1.0
        ),
        attribute(
            "min_learning_rate",
            "float",
            "rate at the last step, instead of zero; other rates end at the same share of their peak",
            minimum=0.0,
        ),
        attribute(
            "warmup", "share", "part of the steps that the rate rises from zero", default=0.03, maximum=1.0
        ),
        attribute(
            "batch",
            "count",
            "examples per optimizer step; packed, the number of sequences that holds as many on average",
            default=128,
            minimum=1,
        ),
        attribute(
            "micro_batch",
            "count",
            "sequences a rank takes at once; changes memory and speed, not the result",
            default=8,
            cls="run",
            minimum=1,
        ),
        attribute("weight_decay", "float", "decoupled weight decay of matrices", default=0.0, minimum=0.0),
        attribute("clip", "float", "largest norm of the gradient", default=1.0, minimum=0.0),
        attribute("seed", "count", "of the order of examples and of fresh weights", default=0),
        attribute(
            "loss",
            "enum:token|example|sum",
            "`token`: mean over all trained tokens of a step, over all ranks and micro-batches; `example`: mean over"
            " its examples of each one's mean; `sum`: their sum, which `clip` and the rate must be chosen for",
            default="token",
        ),
        attribute(
            "attention",
            "enum:auto|varlen|flash|flex|sdpa|eager",
            "kernel of attention: `varlen` is PyTorch's for each packed example by itself, without a mask; `flash` too,"
            " and needs a GPU, `precision = bf16` and the package flash-attn; `flex` needs a GPU; `sdpa` is PyTorch's"
            " with a mask, `eager` plain matrices; `auto` is `varlen` for packed examples where a trial with the"
            " architecture gives the same logits, else the model's own choice",
            default="auto",
            cls="run",
        ),
        attribute(
            "chunked_loss",
            "enum:auto|on|off",
            "compute the loss from the logits of some token places at a time, only trained ones, instead of all at"
            " once: the same loss and gradients in less memory; `auto` does so wherever the model's head can be taken"
            " apart, and says where it cannot be; `on` refuses that",
            default="auto",
            cls="run",
        ),
        attribute(
            "learn",
            "list[enum:answers|reasoning|tool_calls]",
            "what of an assistant's turn counts in the loss",
            default=["answers", "reasoning", "tool_calls"],
        ),
        attribute(
            "turns",
            "enum:all|last",
            "which of an example's assistant turns count; a message with `weight = 0` never does",
            default="all",
        ),
        attribute(
            "overlong",
            "enum:truncate|drop|split",
            "an example of more than `context` tokens: cut its end, leave it out, or cut it in pieces",
            default="truncate",
        ),
        attribute(
            "output",
            "path",
            "directory of the trained model, its curve and its checkpoints",
            default=REQUIRED,
            cls="run",
        ),
        attribute(
            "optimizer",
            "enum:adamw|muon",
            "`muon` turns the updates of hidden matrices orthogonal; needs `zero = 0` and one rank",
            default="adamw",
        ),
        attribute(
            "muon_learning_rate",
            "float",
            "peak rate of the hidden matrices under `muon`; the rest follows `learning_rate`",
            default=0.015,
            minimum=0.0,
        ),
        attribute(
            "betas",
            "list[float]",
            "decay of AdamW's two averages, each at least 0 and under 1; `[0.9, 0.999]` when not stated, and"
            " `[0.9, 0.98]` beside Muon",
        ),
        attribute(
            "rates",
            "json",
            "learning rates of parts, by patterns on the names of parameters, the first that matches:"
            ' `[{ of = "*embed_tokens*", rate = 1e-6 }]`; they follow the schedule',
        ),
        attribute(
            "frozen",
            "list[text]",
            'parts that are not trained, by patterns on the names of parameters: `["model.layers.0.*"]`',
        ),
        attribute(
            "trackers",
            "list[enum:wandb|mlflow|trackio]",
            "where the curve is shown as well; a package that must be installed, whose failures do not stop the training",
            default=[],
            cls="run",
        ),
        attribute("eps", "float", "what AdamW adds to its denominator, above 0; 1e-8 when not stated"),
        attribute("init_std", "float", "standard deviation of fresh weights", default=0.02, minimum=0.0),
        attribute(
            "save_as",
            "enum:bf16|fp32",
            "number format of the weights written at the end",
            default="bf16",
        ),
        attribute(
            "checkpoints",
            "count",
            "how often the state is saved on the way; a killed run continues from the last one",
            default=10,
            cls="run",
        ),
        attribute("cluster", "block:train_block.cluster", "the machines of the run", cls="run"),
        attribute(
            "ranks",
            "count",
            "processes of this machine; else `cluster`'s GPUs, else the GPUs there are, else 2",
            cls="run",
            minimum=1,
        ),
        attribute(
            "sequence_parallel",
            "count",
            "ranks that share each sequence, for a long `context`: each holds a part of its tokens, and exchanges them"
            " within attention for a part of the heads, which the ranks must divide (Ulysses); the loss stays the same",
            default=1,
            cls="run",
            minimum=1,
        ),
        attribute(
            "evaluate",
            "block:train_block.evaluate",
            "problems whose answers are graded before and after; several have names: `evaluate gsm8k { … }`",
        ),
        attribute(
            "measure",
            "block:train_block.measure",
            "what is measured while it trains, which weights are kept, and when it stops early",
        ),
        attribute(
            "holdout",
            "share",
            "part of each component's examples that is not trained on; its loss is told, component by component",
            default=0.0,
            maximum=0.5,
        ),
    ),
)
def sft(*arguments: Any, **keywords: Any) -> Any:
    """Supervised fine-tuning on a mixture, with the loss on assistant tokens alone.

    ```mix
    train student on numbers {
      base = "tiny/model"
      context = 512
      learning_rate = 1e-3
      output = "out/student"
      evaluate { on = held_out, prompt = solve, answer = answer }
    }
    ```

    The mixture is tokenised with the chat template of the base's tokenizer and packed before any process starts,
    each example exactly once per epoch, in an order that `seed` fixes. DeepSpeed ZeRO-3 with bf16 and
    recomputed activations then runs under `torchrun`, on GPUs or, without any, on CPU processes. The loss is the
    mean over all assistant tokens of a step, whatever the ranks, micro-batches and packing. A killed run
    continues from its last checkpoint when it is started again. The output directory holds safetensors,
    tokenizer and chat template for `transformers`, the curve (`curve.jsonl`: loss, rate, norm, tokens per second)
    and `report.json`.

    Examples in which no token would be trained are refused and counted, as are those over `context`.
    """
    from mixwright_runtime.training.train import train_mixture

    return train_mixture(*arguments, **keywords)


@declare(
    "train_block",
    "cluster",
    attributes=(
        attribute("gpus", "count", "GPUs of each node, one rank each", cls="run", minimum=1),
        attribute(
            "gpu", f"enum:{'|'.join(MACHINES)}", "kind of GPU, for the forecast of memory and time", cls="run"
        ),
        attribute("price", "money", "dollars for an hour of one GPU", cls="meta"),
        attribute("nodes", "count", "machines, each with `gpus` GPUs", default=1, cls="run", minimum=1),
    ),
)
def cluster() -> None:
    """The machines of a training run: `nodes` with `gpus` GPUs each, a rank on every GPU.

    With several nodes the same `mixwright train` runs on each, with its number: `--node-rank`, and `--master`, the first
    node's address. `--write-launcher DIR` writes that as a shell script, a Slurm job and a Ray job. The output directory
    must be on storage that all nodes see.

    With `gpu`, `mixwright plan` proves the job before it is launched: memory on each GPU by part, the fewest GPUs that
    hold it, steps, hours, GPU-hours, dollars (with `price`) and MFU; what cannot fit is refused with what would.
    """


@declare(
    "train_block",
    "lora",
    extra="train",
    modules=("peft",),
    attributes=(
        attribute("rank", "count", "rank of the adapters", default=16, minimum=1),
        attribute("alpha", "count", "their output is scaled by alpha / rank", default=32, minimum=1),
        attribute("dropout", "share", "of the adapters' input", default=0.0),
        attribute(
            "layers",
            "list[text]",
            "linear layers that get an adapter, by the end of their names; all of them by default",
            default=[],
        ),
    ),
)
def lora() -> None:
    """Low-rank adaptation (Hu et al. 2021) with `peft`: only the adapters are trained.

    The output is a whole model with the adapters merged in, which loads like any other; the adapters alone are kept in
    `adapter/`.
    """


@declare(
    "train_block",
    "measure",
    attributes=(
        attribute(
            "every",
            "count",
            "steps between two measurements; there is one at the last step",
            default=REQUIRED,
            minimum=1,
        ),
        attribute(
            "on",
            "list[name]",
            "`held_out`, the loss of the examples that `holdout` keeps back, and evaluations of the block by name",
            default=["held_out"],
        ),
        attribute(
            "best",
            "name",
            "keep the weights that are best by this: `held_out` (lower is better) or an evaluation (higher is better);"
            ' one verifier of several by `"name.id"`; the last weights when not stated',
        ),
        attribute(
            "patience", "count", "stop after so many measurements in a row without a better one", minimum=1
        ),
    ),
)
def measure() -> None:
    """Measure the model every so many steps while it trains; keep the best weights, and stop when nothing gets better.

    ```mix
    train student on numbers {
      base = "tiny/model"
      output = "out/student"
      holdout = 2%
      measure { every = 50, best = held_out, patience = 3 }
    }
    ```

    Held-out loss, the mean over all held-out tokens, is measured by the ranks as they go. For an evaluation they save
    a checkpoint and end, the model answers as it does after training, and they go on from there: choose `every` so that
    an evaluation is short beside what is trained between two. Several machines have no evaluations on the way.

    Of measures that are equal the earlier is the better. Saved models that can no longer be the best are deleted. A run
    that is stopped or killed goes on to the same choice. `measures.jsonl` has what evaluations gave, `held_out.jsonl`
    the losses, and `report.json` the step that was kept.
    """


@declare(
    "train_block",
    "evaluate",
    attributes=(
        attribute("on", "ref:source", "problems that the mixture must not contain", default=REQUIRED),
        attribute("prompt", "ref:template", "how a problem is put to the model", default=REQUIRED),
        attribute(
            "answer",
            "name",
            "column of `on` with the right answer; short for `verify math { response = reply, answer = … }`",
            short_for="verify.math",
        ),
        attribute("by", "name", "a column of `on`; the accuracy is told for each of its values as well"),
        attribute("limit", "count", "problems asked, the first ones", default=200, minimum=1),
        attribute("max_tokens", "count", "longest answer", default=256, minimum=1),
    ),
)
def evaluate() -> None:
    """Share of held-out problems that the model answers rightly, by greedy decoding, before and after training.

    The verifiers that stand in the block grade the answers, as they grade rows of a pipeline: any `verify KIND` that
    judges one text, over the set's columns and the column `reply`. Each is a measure of its own; with several, `id`
    names them.

    ```mix
    evaluate gsm8k { on = gsm8k_test, prompt = solve, verify math { response = reply, answer = answer } }
    evaluate ifeval {
      on = ifeval
      prompt = as_it_is
      limit = 541
      max_tokens = 1024
      verify constraints { response = reply, constraints = instruction_id_list, kwargs = kwargs, id = strict }
      verify constraints {
        response = reply, constraints = instruction_id_list, kwargs = kwargs, mode = loose, id = loose
      }
    }
    ```

    A reply is right when it passes the verifier, threshold included; one that is empty or holds nothing to measure is
    wrong and counted as unanswered, as is a problem whose prompt leaves no room in `context`. A verifier that fails or
    runs out of time says nothing about a reply: such replies are told, and left out of the shares. Ten of them that are
    more than 1% end the evaluation, as they end a run; of fewer, more than 5% are an error. Beside each share stands its
    95% interval (Wilson 1927) for other problems of the same kind, and, of constraints, the share of single instructions
    followed, which IFEval reports as well.

    Replies are kept, and what was measured of them: another threshold decides anew and measures nothing, another
    verifier measures without asking the model again, and a stopped evaluation goes on where it was.
    """
