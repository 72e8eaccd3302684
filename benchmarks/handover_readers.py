"""Whether axolotl reads an export as training does: `python benchmarks/handover_readers.py`; needs axolotl and torch.

Writes conversations of two turns, every second with a last turn of `weight = 0`, as `axolotl` and as `tokenized`;
validates both configurations by axolotl's own schema, lets axolotl's chat-template strategy make labels of the
messages, and compares them with ours row by row. Exit status 1 when one differs. axolotl's pins (transformers,
trl, pydantic ...) are not ours: an environment of its own, where `pip install --no-deps axolotl addict pillow`
beside ours is enough for this.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=40)
    rows = [_row(number) for number in range(parser.parse_args().rows)]
    with tempfile.TemporaryDirectory() as place:
        return _compared(rows, Path(place))


def _row(number: int) -> dict[str, Any]:
    last: dict[str, Any] = {"role": "assistant", "content": "#### 3"}
    return {
        "messages": [
            {"role": "user", "content": f"Ada has {number} pears. " * (1 + number % 3)},
            {"role": "assistant", "content": f"{number}+1: #### {number + 1}"},
            {"role": "user", "content": "Bo"},
            last | ({"weight": 0} if number % 2 else {}),
        ]
    }


def _compared(rows: list[dict[str, Any]], place: Path) -> int:
    import duckdb
    import yaml
    from axolotl.prompt_strategies.chat_template import load
    from axolotl.utils.dict import DictDefault
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from transformers import AutoTokenizer

    from mixwright_compiler.plan.plan import Fingerprint, Origin, Train
    from mixwright_runtime.plugins.declare import plugins
    from tests.random_model import build
    from tests.training.exported import exported

    build(place / "model")
    given = {a.name: a.default for a in plugins()["train.sft"].entry.attributes}
    given |= {"base": "model", "context": 128, "output": "out", "ranks": 2}
    train = Train(
        name="student",
        mixture="m",
        attributes=given,
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="t.mix", line=1, column=1),
    )
    configured = {}
    for format in ("axolotl", "tokenized"):
        os.chdir(exported(format, rows, train, place / format))
        values = configured[format] = yaml.safe_load(Path("axolotl.yaml").read_text(encoding="utf-8"))
        AxolotlInputConfig(**values)
        unknown = set(values) - set(AxolotlInputConfig.model_fields)
        print(
            f"{format}: axolotl's schema accepts the configuration; keys it does not have: {unknown or 'none'}"
        )
        if unknown:
            return 1
    os.chdir(place / "axolotl")
    tokenizer = AutoTokenizer.from_pretrained("tokenizer")
    values = configured["axolotl"]
    strategy = load(tokenizer, DictDefault(values), ds_cfg=DictDefault(values["datasets"][0]))
    lines = Path("data/train-00000-of-00001.jsonl").read_text(encoding="utf-8").splitlines()
    with duckdb.connect() as connection:
        expected = connection.execute(
            f"SELECT input_ids, labels FROM '{place}/tokenized/data/*.parquet'"
        ).fetchall()
    same = 0
    for line, (tokens, labels) in zip(lines, expected, strict=True):
        read = strategy.tokenize_prompt({"messages": json.loads(line)["messages"]})
        same += list(read["input_ids"]) == tokens and list(read["labels"]) == labels
    print(f"axolotl's labels are ours in {same} of {len(rows)} rows")
    return 0 if same == len(rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
