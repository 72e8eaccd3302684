"""Do our prompts share a run of 50 characters with those of the original code? Told by hashes: the texts are not ours.

`originals.txt` has hashes of pieces of the prompts below, and no text. It is made anew, when a repository is added, from
files that somebody has fetched:

    python -m tests.fidelity.originals FILE... > tests/fidelity/originals.txt

Of a Python file its strings are taken, of any other the whole text. What was read:

    nlpxucan/WizardLM@8c877d4               Evol_Instruct/depth.py, Evol_Instruct/breadth.py
    Luo et al. 2024                         the five operators of WizardCoder, from memory of the paper
    yizhongw/self-instruct@10dd06e          self_instruct/bootstrap_instructions.py
    yizhongw/self-instruct@bcc81cd          self_instruct/templates/clf_task_template.py
    yizhongw/self-instruct@a69e741          self_instruct/templates/instance_gen_template.py, its long examples cut
    tatsu-lab/stanford_alpaca@015c226       prompt.txt
    ise-uiuc/magicoder@7e4af16              data/prompt.txt, src/magicoder/generate_data.py
    allenai/open-instruct@137d97c           scripts/persona_driven_data_gen/prompt_templates.py, without the game's story
    tencent-ailab/persona-hub@dd5b806       code/prompt_templates.py, likewise
    hkust-nlp/deita@acec45c                 src/deita/selection/scorer/llama_scorer.py
    magpie-align/magpie@4923586             exp/str_utils.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

RUN = 50
"""Characters in a row that are too many to share."""
STRIDE = 8
PIECE = RUN - STRIDE + 1
"""Of an original the pieces are kept that begin at each multiple of `STRIDE`: a run of `RUN` has one of them whole."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def plain(text: str) -> str:
    """A text as it is compared: in lower case, with any white space as one space."""
    return " ".join(text.split()).lower()


def _hash(piece: str) -> str:
    return blake2b(piece.encode(), digest_size=6).hexdigest()


def hashes_of(original: str) -> set[str]:
    """What is kept of an original prompt: nothing of what stands for another text in it."""
    found: set[str] = set()
    for part in map(plain, _PLACEHOLDER.split(original)):
        found |= {_hash(part[at : at + PIECE]) for at in range(0, len(part) - PIECE + 1, STRIDE)}
    return found


def shared(text: str, hashes: Collection[str]) -> Iterator[str]:
    """Pieces of a text that are in an original: there is one where `RUN` characters are the same, and there may be one
    where `PIECE` are."""
    text = plain(text)
    pieces = (text[at : at + PIECE] for at in range(len(text) - PIECE + 1))
    return (piece for piece in pieces if _hash(piece) in hashes)


def _prompts(path: Path) -> Iterable[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [text]
    constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return [constant.value for constant in constants if isinstance(constant.value, str)]


if __name__ == "__main__":
    made = {kept for name in sys.argv[1:] for prompt in _prompts(Path(name)) for kept in hashes_of(prompt)}
    print("\n".join(sorted(made)))
