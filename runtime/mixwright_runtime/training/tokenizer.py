"""Train a small byte-level BPE tokenizer with a chat template, for models that start from nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAD, USER, ASSISTANT, SYSTEM, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'assistant' %}"
    f"{ASSISTANT}"
    "{% generation %}"
    "{{ message.content }}"
    f"{END}"
    "{% endgeneration %}"
    "{% else %}"
    "{{ '<|' + message.role + '|>' + message.content }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    f"{ASSISTANT}"
    "{% endif %}"
)
"""One token opens a turn; only an assistant's turn is closed, by the token that ends generation."""


def train_tokenizer(texts: Iterable[str], directory: Path, *, vocabulary: int, context: int) -> int:
    """Write a tokenizer that `transformers` loads; returns the size of its vocabulary, at most `vocabulary`.

    Digits are single tokens, so that a number is spelled the same in every place. The same texts in the same
    order give the same tokenizer.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, USER, ASSISTANT, SYSTEM, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(directory)
    return len(fast)
