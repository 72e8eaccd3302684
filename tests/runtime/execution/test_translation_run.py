"""A run that translates, checks by translating back, and is asked again where a translation is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mixwright
from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.errors import RunError
from mixwright_runtime.store.store import Store
from tests.reward_models import encoder

pytest.importorskip("fasttext")

SPEC = """edition 2026

model translator openai { base_url = "URL", model = "fake", license = "mit" }

source sentences inline {
  rows = [
    { en = "The ferry to the island leaves at 7:15 every morning." },
    { en = "My neighbour has 3 goats and a very old donkey." },
    { en = "The museum shows 120 paintings of the sea until October." },
    { en = "Our teacher reads us a story every Friday." },
    { en = "Twelve swans have been living on the lake since spring." },
  ]
}

template to_german { user = "Into German: {{ en }}" }
template to_english { user = "Into English: {{ de }}" }

pipeline translated {
  from sentences
  generate de { prompt = to_german, model = translator }
  verify translation {
    source = en, response = de, from = "en", to = "de"
    back = to_english, back_model = translator
    least = { numbers = LEAST, back = 0.5 }
    on_fail = retry(1)
  }
  chat { user = en, assistant = de }
}

mixture main { seed = 1, translated = all }
"""

TRANSLATIONS = {
    "ferry": "Die Fähre zur Insel fährt jeden Morgen um 7:15 Uhr ab.",
    "goats": "Mein Nachbar hat 4 Ziegen und einen sehr alten Esel.",
    "paintings": "The museum shows 120 paintings of the sea until October.",
    "story": "Unsere Lehrerin hat am Freitag mit uns einen langen Ausflug gemacht.",
    "swans": "Seit dem Frühling leben zwölf Schwäne auf dem See.",
}
BACK = {
    "Fähre": "The ferry to the island departs at 7:15 every morning.",
    "Ziegen": "My neighbour has 4 goats and a very old donkey.",
    "paintings": "The museum shows 120 paintings of the sea until October.",
    "Ausflug": "Miss Bauer went hiking and bought ice cream.",
    "Schwäne": "Twelve swans have lived on the lake since spring.",
}


def script(server: ThreadedServer) -> None:
    # The first answer about the swans is no translation at all.
    rules = [
        {
            "match": "Into German.*swans",
            "times": 1,
            "fault": "text",
            "text": "Twelve swans? What a lovely sight!",
        }
    ]
    rules += [
        {"match": f"Into German.*{word}", "fault": "text", "text": text}
        for word, text in TRANSLATIONS.items()
    ]
    rules += [
        {"match": f"Into English.*{word}", "fault": "text", "text": text} for word, text in BACK.items()
    ]
    server.fake.use({"rules": rules})


def run(directory: Path, server: ThreadedServer, least: float) -> tuple[list[str], dict[str, int]]:
    """The kept translations, and how many rows were dropped by which reason."""
    spec = directory / "translation.mix"
    spec.write_text(SPEC.replace("URL", server.url).replace("LEAST", str(least)), encoding="utf-8")
    (directory / ".mixwright").mkdir(exist_ok=True)
    mixwright.run(spec)
    with Store.open(directory / ".mixwright", read_only=True) as store:
        dropped = store.sql(
            """SELECT reason, count(*) FROM outcome
            WHERE status = 'dropped' AND run_id = (SELECT max(run_id) FROM outcome) GROUP BY reason"""
        )
    return sorted(row["de"] for row in mixwright.rows(directory / ".mixwright", "translated")), dict(dropped)


def test_only_translations_are_kept_and_a_minimum_is_moved_for_nothing(
    tmp_path: Path, server: ThreadedServer
) -> None:
    script(server)
    kept, dropped = run(tmp_path, server, least=1)
    assert kept == [TRANSLATIONS["ferry"], TRANSLATIONS["swans"]]
    assert dropped == {"translation: numbers": 1, "translation: language": 1, "translation: back": 1}
    asked = server.fake.stats["chat"]
    kept, dropped = run(tmp_path, server, least=0.3)
    assert server.fake.stats["chat"] == asked
    assert kept == [TRANSLATIONS["ferry"], TRANSLATIONS["swans"]]
    kept, dropped = run(tmp_path, server, least=0)
    assert server.fake.stats["chat"] == asked
    assert kept == sorted([TRANSLATIONS["ferry"], TRANSLATIONS["goats"], TRANSLATIONS["swans"]])


def test_the_evidence_is_stored_with_the_row(tmp_path: Path, server: ThreadedServer) -> None:
    script(server)
    run(tmp_path, server, least=1)
    with Store.open(tmp_path / ".mixwright", read_only=True) as store:
        detail = store.sql("SELECT detail FROM outcome WHERE reason = 'translation: back'")[0][0]
    parts = json.loads(detail)["parts"]
    assert parts["language"]["score"] > 0.9
    assert parts["back"]["score"] < 0.4 and parts["back"]["text"] == BACK["Ausflug"]


def test_the_spec_of_the_method_is_free_of_findings() -> None:
    spec = Path(__file__).resolve().parents[3] / "specs" / "methods" / "translation.mix"
    assert [finding.message for finding in mixwright.check(spec)] == []


SIMILAR = """edition 2026

model embedder transformers { path = "model", task = embed, context = 64, license = "mit" }

model rater transformers { path = "rater", task = classify, context = 64, license = "mit" }

source sentences inline { rows = [{ en = "The ferry leaves at 7.", de = "Die Fähre fährt um 7 ab." }] }
source parallel jsonl { path = "parallel.jsonl" }

pipeline translated {
  from sentences
  verify translation {
    source = en, response = de, from = "en", to = "de"
    similarity = embedder, pairs = parallel
    quality = rater
    least = { similarity = 0, quality = 0 }
  }
  chat { user = en, assistant = de }
}

mixture main { seed = 1, translated = all }
"""


def with_embedder(directory: Path, shift: int) -> Path:
    """A spec with a small random embedder and a rater; the target of each pair is its source, `shift` pairs on."""
    encoder(directory / "model")
    encoder(directory / "rater", architecture="ForSequenceClassification")
    words = ["tea", "rain", "salt", "boat", "moss"]
    sources = [f"{first} and {second}" for first in words for second in words]
    rows = [
        json.dumps({"source": text, "target": sources[(n + shift) % len(sources)]})
        for n, text in enumerate(sources)
    ]
    (directory / "parallel.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (directory / ".mixwright").mkdir()
    spec = directory / "similar.mix"
    spec.write_text(SIMILAR, encoding="utf-8")
    return spec


@pytest.mark.train
def test_an_embedding_model_that_knows_the_pairs_is_accepted(tmp_path: Path) -> None:
    report = mixwright.run(with_embedder(tmp_path, shift=0))
    found = report.summary["pipelines"]["translated"]["reports"]["verify_translation"]["similarity"]
    assert (found["auc"], found["true_pairs"], found["shuffled_pairs"]) == (1.0, 25, 600)
    assert found["least"] == 0  # as the spec states it
    with Store.open(tmp_path / ".mixwright", read_only=True) as store:
        evidence = json.loads(store.sql("SELECT evidence FROM score")[0][0])
    assert "parts" in evidence, evidence
    assert -1 <= evidence["parts"]["similarity"]["score"] <= 1
    assert 0 < evidence["parts"]["quality"]["score"] < 1


@pytest.mark.train
def test_one_that_does_not_is_refused_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"similarity: model 'embedder' tells the 25 true pairs .* AUC of 0\.\d+, and 0\.95"
    ):
        mixwright.run(with_embedder(tmp_path, shift=7))
    with Store.open(tmp_path / ".mixwright", read_only=True) as store:
        assert store.sql("SELECT count(*) FROM outcome") == [(0,)]
