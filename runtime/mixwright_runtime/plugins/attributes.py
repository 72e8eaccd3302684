"""Attributes that many operations share, by the names under which a plugin has them (`mixwright.plugin`).

Those in a tuple are written with a star: `attributes=(attribute(…), *STEP)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.catalog.catalog import Shared
from mixwright_compiler.catalog.declaring import REQUIRED, attribute
from mixwright_compiler.catalog.declaring import pick as pick
from mixwright_compiler.catalog.declaring import threshold as threshold

# Of every step.
STEP = (
    attribute("when", "expr:bool", "the rows this step applies to; the others pass unchanged"),
    attribute(
        "id", "name", "the step's name in reports and in `set { path = value }` of a variant", cls="meta"
    ),
)

ON = attribute(
    "on",
    "column",
    "the column to compare: text, or a chat, of which the user messages count",
    default=REQUIRED,
)
"""Of steps that compare the texts of rows."""

SALT = attribute("salt", "text", "any text; with another one the step draws anew, and nothing else changes")
"""Of steps that draw."""

# Of every verifier.
ON_FAIL = attribute(
    "on_fail",
    "call:on_verdict",
    "what happens to a row that fails: `drop`, `keep`, `retry(n)`, which asks the model the same again up to n times, "
    "or `repair(template, n)`, which shows it what was wrong",
    default="drop",
    cls="set",
)

CALIBRATE = attribute(
    "calibrate",
    "block:verify_block.calibrate",
    "labelled rows on which the verifier must be good enough before the pipeline starts",
    cls="meta",
)

AS = attribute(
    "as",
    "new_column",
    "a column with the verdict, `{ score, passes }`; where the verifier looks at candidates together also `rate`, the "
    "share of the row's candidates that pass",
    holds="verdict",
)

BAND = attribute(
    "band",
    "block:verify_block.band",
    "of how many of its candidates must pass for a row to go on: `{ min = 10%, max = 90% }`",
    cls="set",
)

VERIFIER = (AS, BAND, ON_FAIL, CALIBRATE, *STEP)
"""What every verifier has; goes last in a declaration: `*VERIFIER`."""


PICK = pick("all|first|best|majority", "all")
"""`pick` with every choice; see `mixwright_runtime.verifiers.verdicts.Selection`."""

# Of every source.
SOURCE = (
    attribute(
        "license",
        "text",
        "SPDX identifier or name of the rows' license; shown on the dataset card",
        cls="meta",
    ),
    attribute(
        "columns",
        "map[new_column=text]",
        "the columns to read: new name = name in the file. A dotted name reaches into nested objects "
        "(`meta.text`) unless the file has a column of exactly that name. Without it every column is read "
        "under its own name",
    ),
    attribute("where", "expr:bool", "keep the rows for which this is true; sees the new column names"),
    attribute("limit", "count", "read at most this many rows, counted after `where`", cls="set", minimum=0),
)

# Of models.
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

# Of exports, and of those for a trainer.
EXPORT = (
    attribute(
        "format",
        "enum:messages|parquet|trl|axolotl|llama_factory|open_instruct|tokenized|packed|prompt_completion|preference|rlvr",
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

TRAINER = (
    *EXPORT,
    TRAIN,
    attribute(
        "config",
        "bool",
        "also write the trainer's configuration, where there is a `train` block to make it from",
        default=True,
        cls="set",
    ),
)

SHARED: Mapping[str, Shared] = {
    "STEP": STEP,
    "VERIFIER": VERIFIER,
    "SOURCE": SOURCE,
    "EXPORT": EXPORT,
    "PICK": PICK,
    "SALT": SALT,
    "TASK": TASK,
    "POOLING": POOLING,
}
