"""Attributes that every export format has, and those of formats for a trainer."""

from __future__ import annotations

from runtime.plugins.declare import REQUIRED, attribute

EXPORT_ATTRIBUTES = (
    attribute(
        "format",
        "enum:messages|parquet|trl|axolotl|llama_factory|open_instruct|tokenized|packed",
        "file format; chooses this page",
        default="messages",
        cls="set",
    ),
    attribute("path", "path", "directory to write, relative to the spec", default=REQUIRED, cls="run"),
    attribute("card", "bool", "also write README.md, the dataset card", default=True, cls="meta"),
    attribute("license", "text", "license of the dataset as a whole, an SPDX id in lower case", cls="meta"),
    attribute("language", "list[text]", "ISO 639 codes of the languages in it, for the card", cls="meta"),
)

TRAIN = attribute(
    "train", "name", "the `train` block on the mixture; may be left out where there is only one", cls="set"
)

TRAINER_ATTRIBUTES = (
    *EXPORT_ATTRIBUTES,
    TRAIN,
    attribute(
        "config",
        "bool",
        "also write the trainer's configuration, where there is a `train` block to make it from",
        default=True,
        cls="set",
    ),
)
