"""Checks of a bound program: what is well-formed and still wrong. One file per family of codes.

A check looks only at declarations without an error so far (`Checked.clean`), so that a mistake reported once has no
echo here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from mixwright_compiler.checks import (
    derived,
    evaluations,
    exports,
    generation,
    licenses,
    mixtures,
    models,
    names,
    outputs,
    policies,
    quotas,
    safety,
    sources,
    splits,
    training,
    verification,
)
from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.load.world import World
from mixwright_compiler.program import Program
from mixwright_compiler.schema import Columns

Condition = Callable[[Checked], bool]


def _rules(*rules: str) -> Condition:
    """Is a step held to one of these rules?"""
    return lambda checked: not checked.rules.isdisjoint(rules)


def _given(*names: str) -> Condition:
    """Does a step have one of these attributes?"""
    return lambda checked: not checked.given.isdisjoint(names)


def _held(what: str) -> Condition:
    """Does a step have an attribute that holds this?"""
    return lambda checked: what in checked.held


def _is_of_constraints(checked: Checked) -> bool:
    schemas = (schema for _, _, step in checked.clean_steps() for schema in step.entry.attributes)
    return any(schema.holds == "constraints" or schema.type == "drawn" for schema in schemas)


RARE: tuple[tuple[Condition, tuple[str, ...]], ...] = (
    (_rules("turns"), ("turns.check_turns",)),
    (_rules("ratings"), ("rewards.check_rewards",)),
    (lambda c: "labels" in c.rules or "token" in c.held, ("labels.check_labels",)),
    (_rules("grouped", "tags", "semantic", "alone"), ("tables.check_tables",)),
    (_rules("reviewed"), ("reviews.check_reviews",)),
    (_rules("profiled"), ("profiles.check_profiles",)),
    (_rules("tools"), ("tools.check_tools",)),
    (_rules("annotates"), ("called_in_texts.check_annotations",)),
    (_given("calibrate"), ("calibration.check_calibrations",)),
    (_rules("programs"), ("code.check_code",)),
    (_is_of_constraints, ("constraints.check_constraints", "draws.check_draws", "draws.check_drawn_sets")),
    (_given("schema"), ("json_schemas.check_schemas",)),
    (_rules("opinions", "guard", "criteria"), ("judging.check_judging",)),
    (_held("language"), ("multilingual.check_languages",)),
    (_rules("translated"), ("multilingual.check_translations",)),
    (lambda c: any(m.tags for m in c.program.mixtures.values()), ("tags.check_limits",)),
    (
        lambda c: any("chat_template" in t.attributes for t in c.program.trains.values()),
        ("chat_templates.check_chat_templates",),
    ),
    (_rules("targets"), ("less.check_targets",)),
    (_rules("compared"), ("compared.check_compared",)),
)
"""Checks of what few specs have, by module and function: imported, half of all of them, where a spec has it."""

CHECKS: tuple[Callable[[Checked], None], ...] = (
    names.check_unused,
    names.check_params,
    names.check_case,
    names.check_conditional,
    outputs.check_outputs,
    sources.check_files,
    sources.check_revisions,
    sources.check_sql,
    sources.check_plugin_locks,
    sources.check_library_locks,
    sources.check_choices,
    generation.check_sampling,
    generation.check_weights,
    generation.check_prompts,
    generation.check_targets,
    generation.check_context,
    generation.check_candidates,
    generation.check_retries,
    generation.check_conditions,
    models.check_tasks,
    models.check_architectures,
    models.check_capabilities,
    models.check_servers,
    verification.check_agreement,
    splits.check_splits,
    splits.check_categories,
    mixtures.check_seeds,
    mixtures.check_evaluation_sets,
    policies.check_policies,
    licenses.check_export_licenses,
    licenses.check_license_ids,
    mixtures.check_messages,
    quotas.check_totals,
    quotas.check_supply,
    derived.check_derived,
    training.check_batches,
    training.check_starts,
    training.check_lengths,
    training.check_effects,
    training.check_sharing,
    training.check_rates,
    training.check_parts,
    training.check_new_tokens,
    evaluations.check_evaluations,
    evaluations.check_measures,
    training.check_memory,
    exports.check_trains_of_exports,
    exports.check_candidates_of_exports,
    safety.check_extras,
)
"""In order of their findings' codes, more or less; none depends on another."""

LAST = (safety.check_secrets, sources.check_locks)
"""What was said of a secret is taken back, and nothing is said of a lock where a source cannot be read anyway."""


def run_checks(world: World, program: Program, columns: Mapping[str, Columns]) -> None:
    """Add findings on what is well-formed and still wrong."""
    checked = Checked(world, program, columns)
    rare = (named(name) for condition, names in RARE if condition(checked) for name in names)
    for check in (*CHECKS, *rare, *LAST):
        check(checked)


def named(check: str) -> Callable[[Checked], None]:
    """A check by its name in RARE."""
    module, _, function = check.partition(".")
    found: Callable[[Checked], None] = getattr(import_module(f"{__name__}.{module}"), function)
    return found
