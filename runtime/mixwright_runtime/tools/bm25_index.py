"""An index of texts that gives those which fit a query best, by Okapi BM25.

Terms and their documents are a DuckDB table in a temporary directory, sorted by term: it may be larger than memory, and a
query reads the parts that its terms are in. Terms are words as dedup sees them (`mixwright_runtime.values.texts`); in
scripts without spaces, characters.

Weights: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), as Lucene has it, which is never negative; k1 and b are Lucene's, too
(Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, has the formula).
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mixwright_runtime.values.texts import tokens_of

K1, B = 1.2, 0.75
"""How quickly a repeated term counts no further, and how much the length of a text does: Lucene's defaults."""
BATCH = 5_000
"""Chosen: texts that are put into the table together."""
LONGEST_QUERY = 1_000
"""Chosen: terms of a query that count, its first."""
SCORE_DIGITS = 9
"""Two texts that fit equally well must not be told apart by the order in which floats were added."""
MEMORY = "512MB"
VERSION = "mixwright.bm25.v1"


@dataclass(frozen=True)
class Hit:
    """A text that fits. place: its number in the order in which the texts came, from 0."""

    place: int
    text: str
    score: float


class Bm25Index:
    """Built at once from all texts; `digest` names what is in it. Safe to ask from several threads."""

    def __init__(self, texts: Iterable[str]) -> None:
        import duckdb

        self._directory = tempfile.TemporaryDirectory(prefix="mixwright-bm25-")
        self._lock = threading.Lock()
        # One thread: the same sums in the same order everywhere.
        self._connection = duckdb.connect(
            str(Path(self._directory.name) / "index.duckdb"),
            config={"threads": 1, "memory_limit": MEMORY, "temp_directory": self._directory.name},
        )
        self.size = 0
        hashed = blake2b(VERSION.encode(), digest_size=16)
        lengths = 0
        execute = self._connection.execute
        execute("CREATE TABLE document (place INTEGER, length INTEGER, text VARCHAR)")
        execute("CREATE TABLE found (term VARCHAR, place INTEGER, times INTEGER)")
        batch: list[tuple[int, int, str]] = []
        terms: list[tuple[str, int, int]] = []
        for text in texts:
            hashed.update(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
            counts = Counter(tokens_of(text))
            length = counts.total()
            lengths += length
            batch.append((self.size, length, text))
            terms += ((term, self.size, times) for term, times in counts.items())
            self.size += 1
            if len(batch) == BATCH:
                self._put(batch, terms)
                batch, terms = [], []
        self._put(batch, terms)
        execute("CREATE TABLE posting AS SELECT * FROM found ORDER BY term, place")
        execute("DROP TABLE found")
        self._mean_length = lengths / self.size if lengths else 1.0
        self.digest = hashed.hexdigest()

    def _put(self, batch: list[tuple[int, int, str]], terms: list[tuple[str, int, int]]) -> None:
        for table, types, rows in (
            ("document", ("INTEGER", "INTEGER", "VARCHAR"), batch),
            ("found", ("VARCHAR", "INTEGER", "INTEGER"), terms),
        ):
            if rows:
                columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
                values = ", ".join(f"unnest(?::{type}[])" for type in types)
                self._connection.execute(f"INSERT INTO {table} SELECT {values}", columns)

    def search(self, query: str, top: int) -> list[Hit]:
        """The `top` texts that fit best, the best first, of equals the earlier; fewer where no more have a term of it."""
        terms = list(dict.fromkeys(tokens_of(query)))[:LONGEST_QUERY]
        if not terms:
            return []
        with self._lock:
            rows = self._connection.execute(
                f"""WITH weight AS (
                    SELECT term, ln(1 + (? - count(*) + 0.5) / (count(*) + 0.5)) AS idf
                    FROM posting WHERE term IN (SELECT unnest(?::VARCHAR[])) GROUP BY term
                ), best AS (
                    SELECT place, round(sum(
                        idf * times * ({K1} + 1) / (times + {K1} * (1 - {B} + {B} * length / ?))
                        ORDER BY term), {SCORE_DIGITS}) AS score
                    FROM posting JOIN weight USING (term) JOIN document USING (place)
                    GROUP BY place ORDER BY score DESC, place LIMIT ?
                )
                SELECT place, text, score FROM best JOIN document USING (place) ORDER BY score DESC, place""",
                [self.size, terms, self._mean_length, top],
            ).fetchall()
        return [Hit(*row) for row in rows]

    def close(self) -> None:
        """Delete it. Safe to call twice."""
        with self._lock:
            self._connection.close()
            self._directory.cleanup()
