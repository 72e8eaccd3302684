"""Real reward models, small enough to train in seconds: they tell right sums of two digits below 4 from wrong ones.

`outcome` is a Qwen2 with Qwen's two-layer head and one number for a whole chat, as Qwen2.5-Math-RM; `process` has two
numbers at each `<extra_0>`, as Qwen2.5-Math-PRM. Both are written as those are: safetensors with `model.*` and
`score.*`, a config that names remote code, which is not there.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

TAG = "<extra_0>"
LIMIT = 4
SIZE = 64
Chat = list[dict[str, str]]


def chat(a: int, b: int, said: str) -> Chat:
    return [{"role": "user", "content": f"{a}+{b}"}, {"role": "assistant", "content": said}]


def sums() -> list[tuple[int, int, int]]:
    """Every pair of digits with a right and a wrong sum, in turn."""
    rng = random.Random(0)
    found = []
    for a in range(LIMIT):
        for b in range(LIMIT):
            wrong = rng.choice([n for n in range(2 * LIMIT - 1) if n != a + b])
            found += [(a, b, a + b), (a, b, wrong)]
    return found


def tokenizer(directory: Path) -> Any:
    from transformers import AutoTokenizer

    from mixwright_runtime.training.tokenizer import train_tokenizer

    train_tokenizer([f"{a}+{b}={c}\n" for a, b, c in sums()], directory, vocabulary=270, context=256)
    made = AutoTokenizer.from_pretrained(directory)
    made.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>", "<|system|>", TAG]})
    made.save_pretrained(directory)
    return made


def outcome(directory: Path) -> Path:
    """A reward model: one number, higher for a right answer."""
    made = tokenizer(directory)
    body, head = _model(len(made), labels=1)
    cases = [(a, b, c) for a in range(LIMIT) for b in range(LIMIT) for c in range(2 * LIMIT - 1)]
    cases += [(a, b, a + b) for a, b, c in cases if c != a + b]  # as many right as wrong
    ids = [_tokens(made, chat(a, b, str(c))) for a, b, c in cases]
    _train(body, head, ids, [[a + b == c] for a, b, c in cases], at=made.eos_token_id)
    return _save(directory, body, head, "Qwen2ForRewardModel")


def process(directory: Path) -> Path:
    """A process reward model: at each tag, whether the step before it is right."""
    made = tokenizer(directory)
    body, head = _model(len(made), labels=2)
    rng = random.Random(0)
    cases = [[_a_sum(rng) for _ in range(3)] for _ in range(640)]
    said = ["".join(f"{a}+{b}={c}{TAG}" for a, b, c in steps) for steps in cases]
    ids = [_tokens(made, chat(*steps[0][:2], text)) for steps, text in zip(cases, said, strict=True)]
    labels = [[a + b == c for a, b, c in steps] for steps in cases]
    _train(body, head, ids, labels, at=made.convert_tokens_to_ids(TAG))
    return _save(directory, body, head, "Qwen2ForProcessRewardModel")


def planted(directory: Path, *, labels: int = 1, architecture: str = "ForSequenceClassification") -> Path:
    """A Qwen2 classifier of random weights, saved by the library itself."""
    import torch
    import transformers

    made = tokenizer(directory)
    torch.manual_seed(1)
    config = _config(len(made), num_labels=labels)
    getattr(transformers, f"Qwen2{architecture}")(config).save_pretrained(directory)
    return directory


def encoder(directory: Path, *, architecture: str = "Model", labels: int = 1) -> Path:
    """A BERT of random weights with a tokenizer that adds `[CLS]` and `[SEP]` and tells two texts apart."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"]
    own = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    own.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    PreTrainedTokenizerFast(
        tokenizer_object=own,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=64,
    ).save_pretrained(directory)
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=SIZE,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.5,
        num_labels=labels,
    )
    getattr(transformers, f"Bert{architecture}")(config).save_pretrained(directory)
    return directory


def _a_sum(rng: random.Random) -> tuple[int, int, int]:
    a, b = rng.randrange(LIMIT), rng.randrange(LIMIT)
    return a, b, a + b if rng.random() < 0.5 else rng.randrange(2 * LIMIT - 1)


def _tokens(made: Any, messages: Chat) -> list[int]:
    return list(made.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"])


def _config(vocabulary: int, **fields: Any) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=SIZE,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=4,
        initializer_range=0.1,
        tie_word_embeddings=False,
        **fields,
    )


def _model(vocabulary: int, *, labels: int) -> tuple[Any, Any]:
    import torch
    from transformers import Qwen2Model

    torch.set_num_threads(1)
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Linear(SIZE, SIZE), torch.nn.ReLU(), torch.nn.Linear(SIZE, labels))
    return Qwen2Model(_config(vocabulary)), head


def _train(body: Any, head: Any, rows: list[list[int]], labels: list[list[bool]], *, at: int) -> None:
    """Learn `labels`, one for each token `at` in a row; all rows are of one length."""
    import torch

    ids, wanted = torch.tensor(rows), torch.tensor(labels)
    parameters = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)
    draws = torch.Generator().manual_seed(0)
    mean = 1.0
    for step in range(1000):
        picked = torch.randint(len(ids), (32,), generator=draws)
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1.0, (step + 1) / 20)
        hidden = body(input_ids=ids[picked]).last_hidden_state[ids[picked] == at]
        logits, right = head(hidden), wanted[picked].flatten()
        if logits.shape[1] == 1:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], right.float())
        else:
            loss = torch.nn.functional.cross_entropy(logits, right.long())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        mean = 0.9 * mean + 0.1 * loss.item()
        if mean < 0.01:
            return
    raise AssertionError(f"the reward model did not learn: loss {mean:.3f}")


def _save(directory: Path, body: Any, head: Any, architecture: str) -> Path:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in body.state_dict().items()}
    tensors |= {f"score.{name}": value for name, value in head.state_dict().items()}
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = body.config.to_dict() | {
        "architectures": [architecture],
        "auto_map": {"AutoModel": f"modeling_qwen2_rm.{architecture}"},
    }
    (directory / "config.json").write_text(json.dumps(config, indent=1, default=str), encoding="utf-8")
    return directory
