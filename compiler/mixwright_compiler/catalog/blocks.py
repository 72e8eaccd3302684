"""The language's own blocks, as catalog entries: what the compiler itself gives meaning to.

Models, sources, tools, steps, verifiers and exports come from the runtime's catalog; these do not.
"""

from __future__ import annotations

from functools import cache

from mixwright_compiler.catalog.catalog import AttributeSchema, Entry

EDITIONS = (2026,)
"""Language versions this compiler reads, newest last."""

OPERATOR_KINDS = ("depth", "breadth")
"""Whether an operator makes what there is harder, or something else of its kind."""

FRAGMENT_PARAM_TYPES = (
    "column",
    "model",
    "template",
    "templates",
    "source",
    "tool",
    "tools",
    "count",
    "share",
    "float",
    "int",
    "duration",
    "text",
    "bool",
)
"""What a param of a fragment can stand for: `templates` and `tools` for a list of them, or one."""

PARAM_TYPES = ("int", "float", "text", "bool", "path", "count", "share", "duration", "bytes", "money")

STEP_FAMILIES = ("verify", "dedup", "decontaminate", "select")
"""Step keywords whose first label is the kind: `verify math`, `dedup minhash`."""

KIND_BLOCKS = ("model", "source", "tool")
"""Declarations with a name and then a kind out of the catalog: `model teacher openai`."""

INSIDE = {
    "from": "a pipeline",
    "use": "a pipeline",
    "group": "a mixture",
    "tag": "a mixture",
    "budget": "a mixture or policy",
    "exclude": "a policy",
    "set": "a variant",
    **dict.fromkeys(("params", "needs", "makes"), "a fragment"),
}
"""Blocks of the language's own that stand inside another one, and in which."""

MIXTURE_STEPS = ("dedup", "decontaminate")
"""Steps that may stand in a mixture: they work on all of its rows."""

QUOTA_CALLS = ("max", "weight", "take", "rate")


def _a(name: str, type: str, doc: str, **more: object) -> AttributeSchema:
    return AttributeSchema(name, type, doc, **more)  # type: ignore[arg-type]


_ENTRIES = (
    Entry("block", "edition", "The language version; required, first: `edition 2026`."),
    Entry(
        "block",
        "import",
        'Another file\'s declarations under a name: `import "lib.mix" as lib`. Or the kinds that a plugin declares: '
        '`import python "plugins/tone.py"`; see [plugins](plugins.md).',
    ),
    Entry(
        "block",
        "param",
        "A typed input that `-p name=value` sets.",
        label="name",
        attributes=(
            _a("type", "enum:" + "|".join(PARAM_TYPES), "Type of the value.", required=True),
            _a(
                "default",
                "json",
                "Value when `-p` gives none. Without a default the parameter must be given.",
            ),
            _a("min", "json", "Smallest value allowed.", cls="meta"),
            _a("max", "json", "Largest value allowed.", cls="meta"),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry("block", "let", "Constants: `let { name = value }`."),
    Entry(
        "block",
        "template",
        "A prompt in Jinja. Its free variables are columns of the rows where it is used.",
        label="name",
        attributes=(
            _a("system", "text", "The system message."),
            _a("user", "text", "The user message."),
            _a("assistant", "text", "Start of the answer, which the model continues."),
            _a("file", "path", "File to read the user message from, instead of `user`."),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "fragment",
        "Steps under a name, with params: what a pipeline's `use` stands for. See [fragments](fragments.md).",
        label="name",
        attributes=(_a("doc", "text", "What it is for.", cls="meta"),),
    ),
    Entry(
        "block",
        "params",
        "In a fragment: what a `use` of it is given, a block for each: `params { model { type = model } }`.",
        attributes=(
            _a("type", "enum:" + "|".join(FRAGMENT_PARAM_TYPES), "What it stands for.", required=True),
            _a(
                "default",
                "json",
                "What it stands for where a `use` does not say it. Without one it must be given.",
            ),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "operator",
        "One of several prompts of a `generate`, with what its results must be like: "
        "`operator deepen depth { prompt = deeper, guard = len(result) > len(instruction) }`. See "
        "[fragments](fragments.md).",
        label="name",
        attributes=(
            _a("prompt", "ref:template", "What the model is asked.", required=True),
            _a(
                "guard",
                "expr:bool",
                "What must be true of a row that took this operator, else it is dropped. `result` is what the model "
                "wrote, other names are columns as the prompt calls them.",
            ),
            _a(
                "weight",
                "float",
                "How often it is taken, beside the others of its list.",
                default=1.0,
                minimum=0,
            ),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block", "needs", "In a fragment: columns that it reads, and their types: `needs { problem = text }`."
    ),
    Entry("block", "makes", "In a fragment: columns that it leaves behind: `makes { response = text }`."),
    Entry(
        "block",
        "use",
        "In a pipeline or a fragment: the steps of a fragment, with these values for its params: "
        "`use lib.answered { model = teacher, id = a }`.",
        label="name",
        attributes=(
            _a(
                "id",
                "name",
                "Stands in front of its steps' ids and of the columns that it keeps to itself (`a.draft`); the "
                "fragment's name without it.",
                cls="meta",
            ),
            _a("*", "json", "Values for the fragment's params."),
        ),
    ),
    Entry(
        "block",
        "pipeline",
        "Steps, in order; the first is `from`.",
        label="name",
        attributes=(
            _a("seed", "count", "Seed of every random choice in it.", default=0),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "from",
        "The rows a pipeline starts from: a source or another pipeline.",
        label="rows",
        attributes=(
            _a("where", "expr:bool", "Rows to start from."),
            _a("columns", "list[column]", "Columns to keep; all without it."),
            _a("limit", "count", "Start at most this many rows.", cls="set", minimum=1),
            _a(
                "repeat",
                "count",
                "How often a row may be started, each time with seeds of its own.",
                default=1,
                cls="set",
                minimum=1,
            ),
        ),
    ),
    Entry(
        "block",
        "mixture",
        "Quotas over sources, pipelines and other mixtures, then steps over all rows.",
        label="name",
        attributes=(
            _a("seed", "count", "Decides which rows are taken, and their order.", cls="set"),
            _a("total", "count", "Rows in all; shares and weights need it.", cls="set", minimum=1),
            _a(
                "scale",
                "float",
                "What every count, `take`, `max` and the total is multiplied by, rounded by largest remainder.",
                default=1.0,
                cls="set",
                minimum=0,
            ),
            _a(
                "shortfall",
                "call:shortfall",
                "What happens when a quota cannot be met: `error`, `warn` or `fill(component)`.",
                default="error",
                cls="set",
            ),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "budget",
        "What a run may spend: on a mixture, or in a `policy` on every run of the file.",
        attributes=(
            _a("requests", "count", "Requests to models.", cls="set", minimum=0),
            _a("tokens", "count", "Prompt and answer tokens together.", cls="set", minimum=0),
            _a("time", "duration", "Wall time.", cls="set", minimum=0),
            _a("cost", "money", "Dollars, from the models' prices.", cls="set", minimum=0),
        ),
    ),
    Entry("block", "group", "A named part of a mixture: `group math { … }`.", label="name"),
    Entry(
        "block",
        "tag",
        "A name for components of any group, for reports and for `without = [tag.persona]`: "
        "`tag persona { rows = [persona_math, persona_code] }`.",
        label="name",
        attributes=(
            _a("rows", "list[name]", "Components and groups of the mixture.", required=True, cls="meta"),
            _a(
                "least",
                "count_or_share",
                "The fewest rows that they may come to, or the least part of the mixture.",
                cls="run",
            ),
            _a(
                "most",
                "count_or_share",
                "The most rows that they may come to, or the largest part of the mixture.",
                cls="run",
            ),
            _a("doc", "text", "What they have in common.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "variant",
        "A mixture with some parts changed: `variant small of main { without = [math], set { total = 1k } }`.",
        label="name",
        attributes=(
            _a(
                "without",
                "list[name]",
                "Groups, tags (`tag.persona`) or components to leave out, or steps: `problems.judge`.",
                cls="set",
            ),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "set",
        "New values in a variant, also of steps: `set { seed = 7, math.gsm8k = 5k, problems.ask.top_p = 1 }`.",
    ),
    Entry(
        "block",
        "test",
        "Rows through steps and without a model, and what is expected of them: "
        '`test "adults stay" of adults { given = { age = 36 }, expect = kept }`. The steps are those of a pipeline '
        "(`of adults`), one of them (`of adults.filter`), those and the quotas of a mixture, or written in the test. "
        "See [testing](testing.md).",
        label="name",
        attributes=(
            _a(
                "given",
                "json",
                'The rows: `{ column = value }` or a list of them, `file("rows.jsonl")`, a source, or '
                "`take(source, 3)`; of a mixture `{ component = [rows] }`.",
                required=True,
                cls="run",
            ),
            _a(
                "answers",
                "json",
                'What models answer: `{ step = "…" }` for every request of a step, `{ step = ["…", "…"] }` for one '
                'after the other, or `file("answers.json")`.',
                cls="run",
            ),
            _a(
                "rows",
                "json",
                "Rows that stand for those of another source or pipeline that steps draw from: `{ topics = [{ … }] }`.",
                cls="run",
            ),
            _a(
                "expect",
                "json",
                "What must hold, or a list of it: an expression, `{ column = value }`, `kept`, `dropped(step)`, "
                '`quarantined(step)`, `golden("file")`; of a mixture also `kept(component, 2)` and `short`.',
                required=True,
                cls="run",
            ),
        ),
    ),
    Entry(
        "block",
        "policy",
        "What must hold for the whole file, or with `policy NAME of MIXTURE` for one mixture or variant.",
        label="name",
        attributes=(
            _a(
                "licenses",
                "list[word_or_text:permissive|sa|copyleft|nc|nd]",
                'Licenses that rows in a mixture may have: ids in lower case (`"apache-2.0"`), patterns (`"cc-by-*"`) '
                "or classes: `permissive` asks for names and notices at most; `sa`, `copyleft`, `nc`, `nd` let in those "
                "that ask no more than these, too.",
                cls="meta",
            ),
            _a(
                "forbid",
                "list[word_or_text:nc|nd|sa|copyleft]",
                "Licenses that they may not have, by what those ask of derived works: `nc` allows no commercial use, "
                "`nd` no derived works, `sa` only under the same license, `copyleft` the same for software; or ids and "
                'patterns (`"llama*"`).',
                cls="meta",
            ),
            _a(
                "decontaminated",
                "list[ref:source]",
                "Evaluation sets that all rows in a mixture must have been kept apart from.",
                cls="meta",
            ),
            _a(
                "reviewed",
                "share",
                "What models write must have passed a `review`, in which people found at least this share good.",
                cls="run",
                minimum=0,
                maximum=1,
            ),
            _a(
                "max_quarantined",
                "share",
                "Share of rows that may fail for ever before the run's exit status says so.",
                cls="run",
            ),
            _a("doc", "text", "What it is for.", cls="meta"),
        ),
    ),
    Entry(
        "block",
        "exclude",
        'A source of which no row may reach a mixture, and why: `exclude scraped { because = "its terms forbid it" }`. '
        "The run's report and the dataset card say so.",
        label="name",
        attributes=(
            _a("because", "text", "The reason, as readers of the dataset see it.", required=True, cls="meta"),
        ),
    ),
)


@cache
def language_blocks() -> dict[str, Entry]:
    """The entries by block name."""
    return {entry.name: entry for entry in _ENTRIES}


@cache
def top_blocks() -> tuple[str, ...]:
    """The words that a statement at the top of a file can begin with."""
    return (*(name for name in language_blocks() if name not in INSIDE), *KIND_BLOCKS, "train", "export")
