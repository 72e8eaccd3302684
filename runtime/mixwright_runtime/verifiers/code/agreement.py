"""Tests and candidates that a model wrote, checked against each other.

A test counts when enough of a row's candidates pass it: candidates go wrong in different ways, so a wrong test is passed
by few. Method: the dual execution agreement of CodeT (Chen et al. 2022); the threshold on tests is that of AutoIF (Dong
et al. 2024), where at least half of the candidates must pass one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mixwright_runtime.plugins.protocol import Measurement


def agreed(measurements: Sequence[Measurement], *, agree: int, min_tests: int) -> list[Measurement]:
    """The measurements with the tests left out that fewer than `agree` of the candidates pass.

    The score becomes the share of the remaining tests, `class` in the evidence the candidates that pass the same ones.
    Fewer than `min_tests` remaining tests make every candidate unmeasurable. Pure: works on stored evidence.
    """
    results = [_results(measurement) for measurement in measurements]
    width = max((len(bits) for bits in results), default=0)
    passing = [sum(bits[at : at + 1] == "1" for bits in results) for at in range(width)]
    counted = [at for at, candidates in enumerate(passing) if candidates >= agree]
    note = {"tests_agreed": len(counted), "tests_written": width}
    changed = []
    for measurement, bits in zip(measurements, results, strict=True):
        evidence = {**measurement.evidence, **note}
        if measurement.outcome != "measured":
            changed.append(measurement)
        elif len(counted) < min_tests:
            evidence["reason"] = "candidates and tests disagree"
            changed.append(Measurement("unmeasurable", None, evidence))
        else:
            kept = "".join(bits[at : at + 1] or "0" for at in counted)
            evidence["class"] = kept
            changed.append(replace(measurement, score=kept.count("1") / len(kept), evidence=evidence))
    return changed


def votes_of(measurement: Measurement) -> float:
    """What a candidate adds to its class: the tests it passes. So a class has candidates times tests, CodeT's score."""
    return float(str(measurement.evidence.get("class") or "").count("1"))


def _results(measurement: Measurement) -> str:
    return str(measurement.evidence.get("results") or "") if measurement.outcome == "measured" else ""
