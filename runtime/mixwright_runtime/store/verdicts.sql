-- Thresholds are applied to stored scores, so what another one would keep is a question to these views:
--
--     SELECT count(*) FROM verdict WHERE run_id = 3 AND step = 'verify_reward' AND score >= 0.7;

-- The measurements that the rows of a run ended with. `earlier` answers of a repaired row are in `outcome.scores`.
CREATE VIEW IF NOT EXISTS measurement AS
SELECT run_id, pipeline, row_id, origin_id, candidate, status, entry.key AS step,
       entry.value->>'$.outcome' AS outcome,
       try_cast(entry.value->>'$.score' AS DOUBLE) AS score,
       entry.value->'$.evidence' AS evidence
FROM outcome, json_each(outcome.scores) AS entry;

-- The thresholds of a run's verifiers, inclusive; null is no bound.
CREATE VIEW IF NOT EXISTS threshold AS
SELECT run_id, stated.pipeline, stated.step, stated.low, stated.high, stated.pick
FROM (
    SELECT run_id, unnest(from_json(payload,
        '[{"pipeline": "VARCHAR", "step": "VARCHAR", "low": "DOUBLE", "high": "DOUBLE", "pick": "VARCHAR"}]')) AS stated
    FROM event WHERE kind = 'thresholds'
);

-- Whether a measurement reaches its thresholds. `passes` is null for faults, and where a verifier decides by more than
-- its score (it compares candidates, or has a threshold on each part). `pick` then chooses among those that pass.
CREATE VIEW IF NOT EXISTS verdict AS
SELECT measurement.*, low, high, pick,
       CASE WHEN outcome IN ('error', 'timeout') OR threshold.step IS NULL THEN NULL
            ELSE outcome = 'measured' AND score >= coalesce(low, score) AND score <= coalesce(high, score) END AS passes
FROM measurement LEFT JOIN threshold USING (run_id, pipeline, step);
