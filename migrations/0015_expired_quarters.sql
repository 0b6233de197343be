-- Expiry: `batcher lifecycle` deletes the minutes of old days, a quarter of an hour in one transaction, and leaves their
-- sums here. So a quarter's ledger is the sum of what has expired of it and of what is still there (I-1).
--
-- Nothing expires unless an operator asks for it. Where something has, `verify` and `validate` of programs from before
-- this migration call the accounting broken; nothing that they write is wrong.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (15, 6);

CREATE TABLE expired_quarters (
    relation            TEXT      NOT NULL CHECK (relation IN ('real_time_metrics', 'late_metrics')),
    quarter_start       TIMESTAMP NOT NULL CHECK (quarter_start = date_bin('15 minutes', quarter_start, TIMESTAMP '2000-01-01')),
    -- Sums over all rows of ours that were deleted, also of those that came back and were deleted later.
    rows                BIGINT    NOT NULL CHECK (rows > 0),
    events              BIGINT    NOT NULL,
    seconds             BIGINT    NOT NULL,
    data_mb             NUMERIC   NOT NULL,
    amount              NUMERIC   NOT NULL,
    expired_at          TIMESTAMP NOT NULL DEFAULT now(),
    PRIMARY KEY (quarter_start, relation)
);

COMMENT ON TABLE expired_quarters IS 'One row per table and quarter of an hour whose minutes batcher lifecycle has deleted: what they summed up to';
COMMENT ON COLUMN expired_quarters.relation IS 'real_time_metrics or late_metrics';
COMMENT ON COLUMN expired_quarters.quarter_start IS 'Start of the quarter of an hour, UTC';
COMMENT ON COLUMN expired_quarters.rows IS 'Rows that were deleted';
COMMENT ON COLUMN expired_quarters.events IS 'Their events';
COMMENT ON COLUMN expired_quarters.seconds IS 'Their seconds';
COMMENT ON COLUMN expired_quarters.data_mb IS 'Their MB, exact';
COMMENT ON COLUMN expired_quarters.amount IS 'Their tenge, exact';
COMMENT ON COLUMN expired_quarters.expired_at IS 'When rows were last deleted, UTC';
COMMENT ON COLUMN dead_letters.erasure IS 'Number of the erasure that emptied it; 0: it was old, and batcher lifecycle emptied it; NULL: whole';

-- As before, and whether minutes that a day was computed from have expired: then nothing can compute it again.
CREATE OR REPLACE VIEW day_states AS
WITH complete AS (
    -- NULL, which no day's end is before: nothing is known of some partition, or there is none.
    SELECT CASE WHEN COUNT(*) = COUNT(complete_through) THEN MIN(complete_through) END AS through
    FROM current_progress
),
-- Runs that are known to have changed nothing are left out.
last_run AS (
    SELECT DISTINCT ON (date) *
    FROM batch_runs
    WHERE outcome IS NULL OR outcome = 'computed'
    ORDER BY date, id DESC
),
judged AS (
    SELECT run.*, ledger.version AS version_now,
           CASE
               WHEN run.outcome IS NULL
                   THEN format('the run that %s began at %s UTC has no end', run.started_by,
                               date_trunc('second', run.started_at))
               WHEN run.business_timezone <> settings.business_timezone
                   THEN format('it was a day of %s', run.business_timezone)
               WHEN run.version <> ledger.version
                   THEN format('it counted %s events, now there are %s', run.version, ledger.version)
           END AS stale_because,
           final_run.version AS final_version,
           EXISTS (SELECT FROM expired_quarters
                   WHERE relation = 'real_time_metrics'
                     AND quarter_start >= run.day_start AND quarter_start < run.day_end)
           OR run.include_late
              AND EXISTS (SELECT FROM expired_quarters
                          WHERE relation = 'late_metrics'
                            AND quarter_start >= run.day_start AND quarter_start < run.day_end) AS minutes_expired
    FROM last_run AS run
    LEFT JOIN settings ON true
    CROSS JOIN LATERAL (
        SELECT COALESCE(SUM(on_time + CASE WHEN run.include_late THEN late ELSE 0 END), 0)::bigint AS version
        FROM day_ledger
        WHERE quarter_start >= run.day_start AND quarter_start < run.day_end
    ) AS ledger
    LEFT JOIN LATERAL (
        SELECT former.version
        FROM batch_runs AS former
        WHERE former.date = run.date AND former.outcome = 'computed' AND NOT former.provisional
          AND (former.day_start, former.day_end, former.include_late)
              = (run.day_start, run.day_end, run.include_late)
        ORDER BY former.id DESC
        LIMIT 1
    ) AS final_run ON true
)
SELECT date,
       CASE WHEN stale_because IS NOT NULL THEN 'stale'
            WHEN day_end <= complete.through THEN 'final'
            ELSE 'provisional' END AS state,
       stale_because,
       -- It was computed as a complete day, and something came afterwards all the same.
       COALESCE(final_version <> version_now, false) AS changed_after_final,
       finished_at AS computed_at, started_by AS computed_by, business_timezone, day_start, day_end, include_late,
       rows, source_rows, version, version_now, final_version,
       minutes_expired
FROM judged CROSS JOIN complete;

COMMENT ON COLUMN day_states.minutes_expired IS 'Minutes that it was computed from have expired: it can''t be computed again';
