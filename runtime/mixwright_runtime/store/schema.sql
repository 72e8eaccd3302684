-- Everything a run makes. Append-only: no primary keys, no secondary indexes, no updates (each silent corruption on
-- record for DuckDB 1.4-1.5 sat in one of these); "current" is a view. `batch` numbers the transaction that wrote a
-- row, so that a scan can tell whether every transaction is whole.

CREATE TABLE meta (
    schema_version INTEGER,
    store_id VARCHAR,  -- ties `store.acked` to this file
    made_by VARCHAR
);

-- One row a transaction: how many rows it put into each table.
CREATE TABLE batch (
    batch BIGINT,
    written_at DOUBLE,
    run INTEGER, run_end INTEGER, call INTEGER, score INTEGER, content INTEGER,
    outcome INTEGER, tally INTEGER, selection INTEGER, event INTEGER
);

CREATE TABLE run (
    run_id BIGINT,
    spec VARCHAR,
    plan VARCHAR USING COMPRESSION zstd,  -- plan.json; holds the spec's text
    versions VARCHAR,                     -- JSON {"mixwright", "python", "duckdb"}
    command VARCHAR,
    started DOUBLE,
    batch BIGINT
);

CREATE TABLE run_end (
    run_id BIGINT,
    status VARCHAR,
    summary VARCHAR USING COMPRESSION zstd,  -- JSON, see run/ending.py
    ended DOUBLE,
    batch BIGINT
);

CREATE TABLE call (
    key BLOB,
    run_id BIGINT,
    node VARCHAR,
    model VARCHAR,
    identity VARCHAR,
    request VARCHAR USING COMPRESSION zstd,
    text VARCHAR USING COMPRESSION zstd,
    reasoning VARCHAR USING COMPRESSION zstd,
    finish VARCHAR,
    status VARCHAR,
    reason VARCHAR,
    prompt_tokens BIGINT,
    output_tokens BIGINT,
    attempt INTEGER,
    seed BIGINT,
    engine VARCHAR,
    started DOUBLE,
    ended DOUBLE,
    batch BIGINT
);

CREATE TABLE score (
    key BLOB,
    run_id BIGINT,
    node VARCHAR,
    row_id BLOB,
    outcome VARCHAR,
    score DOUBLE,
    evidence VARCHAR USING COMPRESSION zstd,
    batch BIGINT
);

-- The columns of rows, once for each distinct JSON text, whatever run or pipeline.
CREATE TABLE content (
    digest BLOB,
    columns VARCHAR USING COMPRESSION zstd,
    batch BIGINT
);

CREATE TABLE outcome (
    run_id BIGINT,
    pipeline VARCHAR,
    row_id BLOB,
    origin_id BLOB,
    source VARCHAR,
    source_ref VARCHAR,
    position BIGINT,
    replica INTEGER,
    candidate INTEGER,
    parents BLOB[],
    status VARCHAR,
    step VARCHAR,
    reason VARCHAR,
    detail VARCHAR USING COMPRESSION zstd,
    content BLOB,  -- content.digest; null when the row's columns were not kept
    calls BLOB[],
    scores VARCHAR USING COMPRESSION zstd,
    batch BIGINT
);

CREATE TABLE tally (
    run_id BIGINT,
    pipeline VARCHAR,
    step VARCHAR,
    ordinal INTEGER,
    rows_in BIGINT,
    rows_out BIGINT,
    dropped BIGINT,
    quarantined BIGINT,
    forked BIGINT,
    unfinished BIGINT,
    batch BIGINT
);

CREATE TABLE selection (
    run_id BIGINT,
    mixture VARCHAR,
    position BIGINT,
    component VARCHAR,
    pipeline VARCHAR,
    row_id BLOB,
    repeat INTEGER,
    batch BIGINT
);

CREATE TABLE event (
    run_id BIGINT,
    kind VARCHAR,
    payload VARCHAR,
    occurred DOUBLE,
    batch BIGINT
);

-- A run with its end, if it has one.
CREATE VIEW run_state AS
SELECT run.run_id, spec, plan, versions, command, started,
       coalesce(status, '') AS status, coalesce(summary, '') AS summary, coalesce(ended, 0) AS ended
FROM run LEFT JOIN run_end USING (run_id);

-- The answer that counts for each request: the first good one.
CREATE VIEW current_call AS
SELECT * FROM call WHERE status = 'ok'
QUALIFY row_number() OVER (PARTITION BY key ORDER BY batch) = 1;

CREATE VIEW current_score AS
SELECT * FROM score WHERE outcome NOT IN ('error', 'timeout')
QUALIFY row_number() OVER (PARTITION BY key ORDER BY batch) = 1;

CREATE VIEW current_tally AS
SELECT * FROM tally
QUALIFY row_number() OVER (PARTITION BY run_id, pipeline, step ORDER BY batch DESC, rows_in DESC) = 1;

-- Outcomes with the columns of their rows.
CREATE VIEW row_outcome AS
SELECT outcome.*, content.columns
FROM outcome LEFT JOIN content ON outcome.content = content.digest;
