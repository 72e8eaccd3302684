"""Checks of a bound program: what is well-formed and still wrong. One file per family of codes.

A check looks only at declarations without an error so far (`Checked.clean`), so that a mistake reported once has no
echo here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mixwright_compiler.checks import (
    calibration,
    called_in_texts,
    chat_templates,
    code,
    compared,
    derived,
    draws,
    evaluations,
    exports,
    generation,
    json_schemas,
    judging,
    labels,
    less,
    mixtures,
    models,
    multilingual,
    names,
    outputs,
    policies,
    profiles,
    quotas,
    reviews,
    rewards,
    safety,
    sources,
    splits,
    tables,
    tags,
    tools,
    training,
    turns,
    verification,
)
from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.load.world import World
from mixwright_compiler.program import Program
from mixwright_compiler.schema import Columns


def _check_constraints(checked: Checked) -> None:
    """MIX860 to MIX864; the kinds of constraints are loaded where a spec has any, for `check` starts without them."""
    schemas = (schema for _, _, step in checked.clean_steps() for schema in step.entry.attributes)
    if any(schema.holds == "constraints" or schema.type == "drawn" for schema in schemas):
        from mixwright_compiler.checks.constraints import check_constraints

        check_constraints(checked)


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
    turns.check_turns,
    generation.check_targets,
    generation.check_context,
    generation.check_candidates,
    generation.check_retries,
    generation.check_conditions,
    models.check_tasks,
    models.check_architectures,
    models.check_capabilities,
    models.check_servers,
    rewards.check_rewards,
    labels.check_labels,
    verification.check_agreement,
    tables.check_tables,
    reviews.check_reviews,
    profiles.check_profiles,
    splits.check_splits,
    splits.check_categories,
    tools.check_tools,
    called_in_texts.check_annotations,
    calibration.check_calibrations,
    code.check_code,
    _check_constraints,
    json_schemas.check_schemas,
    judging.check_judging,
    multilingual.check_languages,
    multilingual.check_translations,
    mixtures.check_seeds,
    mixtures.check_evaluation_sets,
    policies.check_policies,
    policies.check_license_ids,
    mixtures.check_messages,
    quotas.check_totals,
    quotas.check_supply,
    tags.check_limits,
    draws.check_draws,
    draws.check_drawn_sets,
    derived.check_derived,
    training.check_batches,
    training.check_starts,
    training.check_lengths,
    training.check_effects,
    training.check_sharing,
    training.check_rates,
    training.check_parts,
    training.check_new_tokens,
    chat_templates.check_chat_templates,
    less.check_targets,
    compared.check_compared,
    evaluations.check_evaluations,
    evaluations.check_measures,
    training.check_memory,
    exports.check_trains_of_exports,
    exports.check_candidates_of_exports,
    safety.check_extras,
    safety.check_secrets,
    sources.check_locks,
)
"""In order of their findings' codes, more or less; none depends on another but the last two: what was said of a secret is
taken back, and nothing is said of a lock where a source cannot be read anyway."""


def run_checks(world: World, program: Program, columns: Mapping[str, Columns]) -> None:
    """Add findings on what is well-formed and still wrong."""
    checked = Checked(world, program, columns)
    for check in CHECKS:
        check(checked)
