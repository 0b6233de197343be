-- Runs of the batcher, and what they say about each day.

-- One row per run on one day. It is written before the run's transaction and finished after its
-- COMMIT, by statements of their own: the transaction itself writes daily_stats alone. A row
-- without an end is of a run that goes on or was killed. Whether that one replaced the day's rows
-- is not known, so its day counts as stale.
CREATE TABLE batch_runs (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    date                DATE    NOT NULL,
    business_timezone   TEXT    NOT NULL,           -- whose date it was …
    day_start           TIMESTAMP NOT NULL,         -- … and the bounds that it had there, half-open, UTC
    day_end             TIMESTAMP NOT NULL,
    include_late        BOOLEAN NOT NULL,           -- late_metrics are part of the figures
    started_at          TIMESTAMP NOT NULL DEFAULT now(),
    started_by          TEXT    NOT NULL,           -- user@host:process
    finished_at         TIMESTAMP,                  -- NULL: it goes on, or was killed
    outcome             TEXT CHECK (outcome IN ('computed', 'no_data', 'failed')),
    -- Of a run that computed the day:
    rows                BIGINT,                     -- written to daily_stats
    source_rows         BIGINT,                     -- windows that they were computed from
    version             BIGINT,                     -- events of the day in day_ledger, in the run's snapshot
    provisional         BOOLEAN,                    -- the day could still change then
    -- Of one that failed:
    error               TEXT,
    CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CHECK (outcome IS DISTINCT FROM 'computed' OR num_nulls(rows, source_rows, version, provisional) = 0)
);
CREATE INDEX batch_runs_date ON batch_runs (date, id);

-- Each day that a run has computed, or may have: whether its rows are still what the windows say.
--
--   stale        something has been counted since; or the time zone is another one; or the last run has no end
--   provisional  up to date, and the day can still change
--   final        up to date, and no on-time event is to be expected any more
--
-- A day's version is the number of its events in the ledger, late ones only where they are part of
-- the figures. It rises with every change and never repeats. Bounds are those that the run stored:
-- SQL converts no time zones. Rows that others insert into real_time_metrics make no day stale.
CREATE VIEW day_states AS
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
           final_run.version AS final_version
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
       rows, source_rows, version, version_now, final_version
FROM judged CROSS JOIN complete;

-- Before a day is added up, rows that others inserted are looked through. `own` never changes, so
-- updates of our rows stay HOT; of our rows alone the index is empty.
CREATE INDEX real_time_metrics_foreign ON real_time_metrics (window_start) WHERE NOT own;
