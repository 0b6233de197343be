-- Position safety and completeness.

-- An operator's permission to go on behind lost records, and what came of it. A permission names
-- the position at which the partition was halted, so that it can't be used for a later loss.
CREATE TABLE gaps (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic               TEXT    NOT NULL,
    generation          INTEGER NOT NULL,
    partition           INTEGER NOT NULL,
    position            BIGINT  NOT NULL,           -- the halted position that the permission is for
    start_from          TEXT,                       -- earliest, latest or an offset; NULL: as the cause says
    reason              TEXT    NOT NULL,           -- the operator's words
    accepted_by         TEXT    NOT NULL,
    accepted_at         TIMESTAMP NOT NULL DEFAULT now(),
    -- What the worker found when it went on; NULL: not carried out yet.
    cause               TEXT CHECK (cause IN ('overtaken', 'truncated', 'recreated', 'unknown')),
    from_offset         BIGINT,                     -- lost: [from_offset, to_offset) of this generation
    to_offset           BIGINT,
    next_generation     INTEGER,                    -- where reading went on
    next_offset         BIGINT,
    carried_out_by      TEXT,
    carried_out_at      TIMESTAMP
);
-- At most one permission waits for each partition.
CREATE UNIQUE INDEX gaps_waiting ON gaps (topic, partition) WHERE carried_out_at IS NULL;

-- How far event times were from their records' times: ahead (clocks that run fast, wrong units)
-- and behind (late phones, backfills). Milliseconds; of usable events whose record has a time.
ALTER TABLE stream_progress
    ADD COLUMN max_ahead_ms  BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN max_behind_ms BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN sum_behind_ms NUMERIC NOT NULL DEFAULT 0;

-- The current life of each partition that is not retired.
CREATE VIEW current_progress AS
SELECT p.*
FROM stream_progress p
WHERE p.retired_at IS NULL
  AND p.generation = (SELECT MAX(g.generation) FROM stream_progress g
                      WHERE g.topic = p.topic AND g.partition = p.partition);

-- How far each topic's figures are complete: an estimate that never goes back. An on-time event
-- that comes after it is still counted.
CREATE VIEW completeness AS
SELECT topic,
       CASE WHEN COUNT(*) = COUNT(complete_through) THEN MIN(complete_through) END AS complete_through,
       (ARRAY_AGG(partition ORDER BY complete_through ASC NULLS FIRST, partition))[1] AS held_back_by
FROM current_progress
GROUP BY topic;

-- Windows that every partition's event-time watermark has passed: no on-time event can be added to
-- them any more. A partition without a watermark closes nothing.
CREATE VIEW closed_windows AS
SELECT m.*
FROM real_time_metrics m
WHERE m.own
  AND m.window_end <= (
      SELECT CASE WHEN COUNT(*) = COUNT(watermark) THEN MIN(watermark) END FROM current_progress);
