"""Translations and languages on parallel text: what passes that should, what does that should not, and what it costs.

    python benchmarks/translation_xquad.py --data DIR [--embedder DIR] [--questions 400]

DIR holds `xquad/xquad.LANG.json` (240 paragraphs and 1,190 questions, parallel in twelve languages) and
`mgsm/mgsm_LANG.tsv` (250 problems in eleven). Nothing is asked of a model but with `--embedder`, the directory of an
embedding model in safetensors, which is then tried as `verify translation` tries it.

Shown per language, from English: the share of true translations that pass every check with the default minimums, of
those belonging to another text (shuffled), of the same text in another language (wrong), and of the untranslated
source (copied). CPU time is beside what a user would use instead, where that is installed: langdetect and lingua
for the language, sacreBLEU for chrF.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mixwright_runtime.verifiers.text.language_id import identify, load_model
from mixwright_runtime.verifiers.translation.checks import checked
from mixwright_runtime.verifiers.translation.chrf import chrf
from mixwright_runtime.verifiers.verify_translation import DEFAULT_CHECKS, LEAST

SHIFT = 37
"""A shuffled pair takes the text that stands so many places on."""


def xquad(directory: Path) -> dict[str, dict[str, list[str]]]:
    """Language -> paragraphs and questions, the same places in every language."""
    found = {}
    for file in sorted(directory.glob("xquad.*.json")):
        paragraphs = [p for a in json.loads(file.read_text("utf-8"))["data"] for p in a["paragraphs"]]
        questions = [qa["question"] for p in paragraphs for qa in p["qas"]]
        found[file.name.split(".")[1]] = {
            "paragraphs": [p["context"] for p in paragraphs],
            "questions": questions,
        }
    return found


def mgsm(directory: Path) -> dict[str, dict[str, list[str]]]:
    """Language -> problems, the same places in every language."""
    found = {}
    for file in sorted(directory.glob("mgsm_*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            found[file.stem[5:]] = {"problems": [row[0] for row in csv.reader(lines, delimiter="\t")]}
    return found


def cpu_us(work: Callable[[str], Any], texts: Sequence[str]) -> tuple[list[Any], float]:
    """The results, and CPU microseconds a text."""
    start = time.process_time()
    results = [work(text) for text in texts]
    return results, (time.process_time() - start) / len(texts) * 1e6


def languages_of(texts: dict[str, dict[str, list[str]]]) -> None:
    """How often the language is told right, and what that costs."""
    rivals = rival_identifiers(list(texts))
    print("\nlanguage: right %, undetermined %; CPU in us a text, rivals as a multiple of it")
    print(f"{'':12}{'right':>8}{'undet.':>8}{'us':>8}" + "".join(f"{name:>22}" for name in rivals))
    for kind in ("paragraphs", "questions"):
        for code, sides in texts.items():
            sample = sides[kind][:: 4 if kind == "questions" else 2]
            found, us = cpu_us(lambda text: identify(text).language, sample)
            columns = ""
            for rival in rivals.values():
                theirs, their_us = cpu_us(rival, sample[:60])
                right = sum(language == code for language in theirs) / len(theirs)
                columns += f"{right:>13.1%} {their_us / us:>6.1f} x"
            right = sum(language == code for language in found) / len(found)
            undetermined = found.count("") / len(found)
            print(f"{code + ' ' + kind[:6]:12}{right:>8.1%}{undetermined:>8.1%}{us:>8.0f}{columns}")


def rival_identifiers(codes: list[str]) -> dict[str, Callable[[str], str]]:
    """What else tells languages, as functions of a text; fastText bare is what is inside ours."""
    model = load_model()
    rivals: dict[str, Callable[[str], str]] = {
        "fastText bare": lambda text: model.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")[0][1][
            9:
        ]
    }
    if find_spec("langdetect"):
        import langdetect

        langdetect.DetectorFactory.seed = 0
        langdetect.detect("warm up")
        rivals["langdetect"] = lambda text: langdetect.detect(text).split("-")[0]
    if find_spec("lingua"):
        import lingua

        known = {language.iso_code_639_1.name.lower(): language for language in lingua.Language.all()}
        detector = lingua.LanguageDetectorBuilder.from_languages(*(known[code] for code in codes)).build()
        detector.detect_language_of("The detector loads its models with the first text.")
        for sides in ("Это первый текст.", "Dies ist der erste Text.", "هذا هو النص الأول."):
            detector.detect_language_of(sides)

        def lingua_of(text: str) -> str:
            found = detector.detect_language_of(text)
            return found.iso_code_639_1.name.lower() if found else ""

        rivals[f"lingua ({len(codes)} known)"] = lingua_of
    return rivals


def passing(sources: Sequence[str], responses: Sequence[str], code: str) -> tuple[float, float, Counter[str]]:
    """Share of the pairs that pass with the default minimums, CPU in us a pair, and which parts fail."""
    failing: Counter[str] = Counter()
    passed = 0
    start = time.process_time()
    for source, response in zip(sources, responses, strict=True):
        parts = checked(source, response, "en", code, DEFAULT_CHECKS, [])
        wrong = [name for name, part in parts.items() if part["score"] < LEAST[name]]
        passed += not wrong
        failing.update(wrong)
    return passed / len(sources), (time.process_time() - start) / len(sources) * 1e6, failing


def translations_of(texts: dict[str, dict[str, list[str]]], limit: int) -> None:
    """Which pairs pass, per language."""
    codes = [code for code in texts if code != "en"]
    for kind in texts["en"]:
        print(f"\ntranslation of {kind}: share that passes")
        print(f"{'':6}{'true':>8}{'shuffled':>10}{'wrong':>8}{'copied':>8}{'us':>7}  true ones that fail by")
        for at, code in enumerate(codes):
            english, theirs = texts["en"][kind][:limit], texts[code][kind][:limit]
            count = len(theirs)
            other = texts[codes[(at + 1) % len(codes)]][kind][:limit]
            true, us, failing = passing(english, theirs, code)
            shuffled = passing(english, [theirs[(i + SHIFT) % count] for i in range(count)], code)[0]
            wrong, copied = passing(english, other, code)[0], passing(english, english, code)[0]
            reasons = ", ".join(f"{name} {n}" for name, n in failing.most_common())
            print(f"{code:6}{true:>8.1%}{shuffled:>10.1%}{wrong:>8.1%}{copied:>8.1%}{us:>7.0f}  {reasons}")


def chrf_beside_sacrebleu(texts: dict[str, dict[str, list[str]]]) -> None:
    """Equal figures, and the CPU time of each."""
    if not find_spec("sacrebleu"):
        return
    import sacrebleu

    paragraphs = texts["en"]["paragraphs"][:100]
    ours, us = cpu_us(lambda text: chrf(text, paragraphs[0]), paragraphs)
    theirs, their_us = cpu_us(
        lambda text: sacrebleu.sentence_chrf(text, [paragraphs[0]]).score / 100, paragraphs
    )
    apart = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    print(
        f"\nchrF of 100 paragraphs: ours {us:.0f} us, sacreBLEU {their_us / us:.2f} x that; at most {apart:.0e} apart"
    )


SPEC = """edition 2026
param model {{ type = path }}
model embedder transformers {{ path = model, task = embed, license = "apache-2.0", context = 256 }}
source parallel jsonl {{ path = "parallel.jsonl", license = "cc-by-sa-4.0" }}
pipeline checked {{
  from parallel {{ where = target != "" }}
  verify translation {{
    source = source, response = target, from = "en", to = "{code}"
    similarity = embedder, pairs = parallel
  }}
  chat {{ user = source, assistant = target }}
}}
mixture main {{ seed = 1, checked = all, shortfall = warn }}
"""


def embedder_tried(model: Path, texts: dict[str, dict[str, list[str]]]) -> None:
    """What a run says of an embedding model on 100 questions of each language: refused with its AUC, or calibrated."""
    import mixwright
    from mixwright_runtime.errors import RunError

    print(f"\nsimilarity by {model.name} on 100 questions")
    for code in texts:
        if code == "en":
            continue
        with tempfile.TemporaryDirectory() as directory:
            pairs = zip(texts["en"]["questions"][::11], texts[code]["questions"][::11], strict=True)
            rows = [json.dumps({"source": a, "target": b}) for a, b in pairs][:100]
            Path(directory, "parallel.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
            Path(directory, ".mixwright").mkdir()
            spec = Path(directory, "spec.mix")
            spec.write_text(SPEC.format(code=code), encoding="utf-8")
            try:
                report = mixwright.run(spec, params={"model": str(model)})
                print(f"{code:6}accepted: {json.dumps(report.summary['pipelines']['checked']['reports'])}")
            except RunError as refused:
                print(f"{code:6}refused: {str(refused).partition('similarity: ')[2].partition(';')[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embedder", type=Path, help="directory of an embedding model to try")
    parser.add_argument("--questions", type=int, default=400, help="most texts of a kind and language")
    arguments = parser.parse_args()
    texts = xquad(arguments.data / "xquad")
    if arguments.embedder:
        embedder_tried(arguments.embedder.resolve(), texts)
        return
    languages_of(texts)
    translations_of(texts, arguments.questions)
    translations_of(mgsm(arguments.data / "mgsm"), arguments.questions)
    chrf_beside_sacrebleu(texts)


if __name__ == "__main__":
    main()
