"""Licenses of sources against what policies allow and forbid."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

from mixwright_compiler.catalog.licenses import as_written, classes_of, is_known, matches

SPEC = """edition 2026

source one inline {{ rows = [{{ name = "Ada" }}], license = "{license}" }}
source two inline {{ rows = [{{ name = "Ben" }}], license = "mit" }}
pipeline ones {{
  from one
  chat {{ user = name, assistant = name }}
}}
pipeline twos {{
  from two
  chat {{ user = name, assistant = name }}
}}
mixture main {{
  seed = 1
  ones = all
  twos = all
}}
variant public of main {{ without = [ones] }}
policy {policy}
"""


def told(directory: Path, license: str, policy: str) -> list[tuple[str, str, str]]:
    """Code, message and hint of each finding about a license or a policy."""
    found = compiled(directory, SPEC.format(license=license, policy=policy)).diagnostics
    return [
        (d.code, d.message, d.hint or "") for d in found if d.code in ("MIX205", "MIX206", "MIX214", "MIX120")
    ]


@pytest.mark.parametrize(
    ("license", "policy"),
    [
        ("apache-2.0", 'p { licenses = ["mit", "apache-2.0"] }'),
        ("cc-by-sa-4.0", 'p { licenses = ["mit", "cc-by-*"] }'),
        ("cc-by-4.0", "p { forbid = [nc, sa, nd, copyleft] }"),
        ("cc-by-nc-4.0", "p { forbid = [sa, nd] }"),
        ("gpl-3.0", "p { forbid = [sa] }"),
        # Named by its whole id it is allowed.
        ("other", 'p { licenses = ["mit", "other"], forbid = [nc] }'),
        ("cc-by-nc-4.0", 'p { licenses = ["mit", "cc-by-nc-4.0"], forbid = [nc] }'),
        ("cc-by-nc-4.0", 'p of public { licenses = ["mit"] }'),
    ],
)
def test_allowed(license: str, policy: str, tmp_path: Path) -> None:
    assert told(tmp_path, license, policy) == []


@pytest.mark.parametrize(
    ("license", "policy", "message"),
    [
        ("cc-by-nc-4.0", 'p { licenses = ["mit", "cc-by-4.0"] }', "is not allowed by policy `p`"),
        ("cc-by-nc-4.0", 'p of main { licenses = ["mit"] }', "is not allowed by policy `p`"),
        ("cc-by-nc-4.0", 'p { licenses = ["mit", "cc-by-*"], forbid = [nc] }', "no commercial use"),
        ("cc-by-nd-4.0", "p { forbid = [nd] }", "no derived works"),
        ("cc-by-nc-sa-3.0", "p { forbid = [sa] }", "under the same license"),
        ("odbl", "p { forbid = [sa] }", "under the same license"),
        ("agpl-3.0", "p { forbid = [copyleft] }", "derived software"),
        ("other", "p { forbid = [nc] }", "is not known"),
        ("llama3.1", 'p { licenses = ["mit", "llama*"], forbid = [nc] }', "is not known"),
    ],
)
def test_not_allowed(license: str, policy: str, message: str, tmp_path: Path) -> None:
    [(code, said, hint)] = told(tmp_path, license, policy)
    assert code == "MIX206"
    assert message in said
    # Nobody can choose another license for what somebody else published.
    assert "did you mean" not in hint and "write" not in hint


def test_a_slip_of_an_id_is_told(tmp_path: Path) -> None:
    [(code, _, hint), (lint, message, how)] = told(
        tmp_path, "apache-2", 'p { licenses = ["mit", "apache-2.0"] }'
    )
    assert (code, hint) == ("MIX206", "did you mean `apache-2.0`?")
    assert (lint, message, how) == ("MIX214", "`apache-2` is no license id", "write `apache-2.0`")
    assert told(tmp_path, "Apache-2.0", 'p { licenses = ["mit", "apache-2.0"] }') == [
        ("MIX214", "license ids are in lower case: `Apache-2.0`", "write `apache-2.0`")
    ]
    assert told(tmp_path, "our-terms", 'p { licenses = ["mit", "our-terms"] }')[0][2] == (
        "write an SPDX id in lower case, or `other`"
    )


def test_a_policy_of_nothing_known_is_told(tmp_path: Path) -> None:
    codes = [
        d.code for d in compiled(tmp_path, SPEC.format(license="mit", policy="p of publik { }")).diagnostics
    ]
    assert len(codes) == 1
    assert [code for code, *_ in told(tmp_path, "mit", "p on public { }")] == ["MIX120"]


def test_ids() -> None:
    assert [as_written(name) for name in ("mit", "MIT", "Apache 2.0", "cc_by_4.0", "cc-by-nc-40")] == [
        None,
        "mit",
        "apache-2.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
    ]
    assert classes_of("CC-BY-NC-SA-4.0") == {"nc", "sa"}
    assert classes_of("mit") == frozenset()
    assert classes_of("other") is None and is_known("other")
    assert matches("cc-by-*", "CC-BY-4.0") and not matches("cc-by-*", "cc0-1.0")
