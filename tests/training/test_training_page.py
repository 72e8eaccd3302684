"""The page of a training run: its curves as they were left in the output directory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mixwright_runtime.report.training import facts_of, write_training_page


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "lo', encoding="utf-8")


def test_every_curve_that_was_measured_is_drawn(tmp_path: Path) -> None:
    line = {"loss": 2.0, "learning_rate": 1e-3, "grad_norm": 1.0, "tokens_per_s": 9.0, "memory_bytes": 2e9}
    write_lines(tmp_path / "curve.jsonl", [{"step": 1, **line}, {"step": 2, **line, "loss": 1.5}])
    write_lines(
        tmp_path / "held_out.jsonl",
        [{"step": 0, "losses": {"math": 3.0, "<b>": 1.0}}, {"step": 2, "losses": {"math": 2.0, "<b>": 1.0}}],
    )
    measures = {"exam": {"asked": 300, "accuracy": 0.25}}
    (tmp_path / "report.json").write_text(json.dumps({"evaluation": {"after": measures}}))
    page = write_training_page("tutor", tmp_path)
    assert page == tmp_path / "report.html"
    text = page.read_text(encoding="utf-8")
    # The CPU's peak is not known, so there is no MFU.
    assert re.findall("<figcaption>(.*?)</figcaption>", text) == [
        "Loss per trained token",
        "Learning rate",
        "Norm of the gradient, before clipping",
        "Tokens per second",
        "Memory, GB",
        "Held-out loss of math",
        "Held-out loss of &lt;b&gt;",
    ]
    assert "exam, 300 problems" in text and "25.0%" in text
    assert text.count("<polyline") == 7


def test_nothing_was_trained_and_there_is_no_page(tmp_path: Path) -> None:
    assert write_training_page("tutor", tmp_path) is None
    assert facts_of("tutor", tmp_path) is None
    assert list(tmp_path.iterdir()) == []
