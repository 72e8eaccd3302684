"""Attributes that models of several engines share."""

from __future__ import annotations

from runtime.plugins.declare import attribute

TASK = attribute(
    "task",
    "enum:generate|reward|process_reward|classify|embed",
    "What the model does: `generate` writes text; `reward` gives a chat one number; `process_reward` gives each step "
    "of an answer a probability; `classify` gives each label a share; `embed` gives a text a vector.",
    default="generate",
)

POOLING = attribute(
    "pooling",
    "enum:auto|mean|last|first",
    "Of `task = embed`: which tokens make the vector. `auto` is what the model's sentence-transformers files say, "
    "else the last token of a decoder and the mean of an encoder.",
    default="auto",
)

TEMPLATE_ARGUMENTS = attribute(
    "chat_template_kwargs",
    "json",
    "Arguments of the model's chat template, such as `chat_template_kwargs { enable_thinking = false }`. They are part "
    "of the model's identity.",
)
