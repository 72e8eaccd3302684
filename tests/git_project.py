"""A project in a git repository, for commands that compare revisions."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from mixwright.cli import main

ASK = 'edition 2026\ntemplate solve { user = "Solve: {{ problem }}" }\n'
SPEC = """edition 2026

import "lib/ask.mix" as ask

model teacher openai { base_url = "http://localhost:1/v1", model = "m", price_in = $1, price_out = $2 }

source seeds jsonl { path = "../data/seeds.jsonl", license = "mit" }

pipeline math {
  from seeds
  generate solution { prompt = ask.solve, model = teacher, samples = 2, max_tokens = 100 }
  verify agreement { response = solution }
  chat { user = problem, assistant = solution }
}

mixture student {
  seed = 1
  math = 40
}

export hub of student { path = "../out/student" }
"""


def git(directory: Path, *arguments: str) -> None:
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=directory, check=True, env={**os.environ, **who})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose data is not committed, with a spec at `v1`."""
    files = {
        "specs/math.mix": SPEC,
        "specs/lib/ask.mix": ASK,
        ".gitignore": "data/\n",
        "data/seeds.jsonl": "".join(json.dumps({"problem": f"{n} + {n}?"}) + "\n" for n in range(60)),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    assert main(["lock", "specs/math.mix"]) == 0
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "v1")
    return tmp_path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
