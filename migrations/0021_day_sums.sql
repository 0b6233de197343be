-- Fills in the days from before ledger_days, and has the views read it. In a transaction of its own: what it reads takes
-- some seconds for each year of 48 partitions, and no lock that a flush waits for until the index at its end.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (21, 6);

-- Ledger and sums are of one snapshot, and change in the same transactions: their difference is what was there before,
-- whatever flushes do meanwhile.
INSERT INTO ledger_days (day, topic, generation, partition, is_from_before, on_time, late)
SELECT day, topic, generation, partition, true, SUM(on_time), SUM(late)
FROM (SELECT quarter_start::date AS day, topic, generation, partition, on_time, late FROM day_ledger
      UNION ALL
      SELECT day, topic, generation, partition, -on_time, -late FROM ledger_days) AS ledger
GROUP BY day, topic, generation, partition
HAVING SUM(on_time) <> 0 OR SUM(late) <> 0
ORDER BY day, topic, generation, partition;

-- As before, by the days' sums.
CREATE OR REPLACE VIEW accounting AS
SELECT p.topic, p.generation, p.partition, p.first_offset, p.next_offset,
       p.on_time, p.late, p.dead, p.gap, p.skipped,
       (p.next_offset - p.first_offset) - (p.on_time + p.late + p.dead + p.gap + p.skipped) AS unaccounted,
       p.on_time - COALESCE(l.on_time, 0) AS on_time_off_ledger,
       p.late    - COALESCE(l.late, 0)    AS late_off_ledger
FROM stream_progress p
LEFT JOIN (
    SELECT topic, generation, partition, SUM(on_time)::bigint AS on_time, SUM(late)::bigint AS late
    FROM ledger_days GROUP BY topic, generation, partition
) l USING (topic, generation, partition);

-- By the rights of the tables' owner, as a view is: whoever may read the states of days need not read the ledger.
-- A function, and not a join: the planner can't know that it is hardly ever called.
CREATE FUNCTION ledger_events(stretch_start TIMESTAMP, stretch_end TIMESTAMP, are_late BOOLEAN) RETURNS BIGINT
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT COALESCE(SUM(CASE WHEN are_late THEN late ELSE on_time END), 0)
            FROM day_ledger
            WHERE quarter_start >= stretch_start AND quarter_start < stretch_end);
END $$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION ledger_events(TIMESTAMP, TIMESTAMP, BOOLEAN) SET search_path = %I, pg_temp', current_schema());
END $$;

-- What the ledger sums up to, of each day that a run has computed or may have: as it was remembered where nothing has been
-- added since to the UTC days that it touches, three at most; summed up where something has. Runs that are known to have
-- changed nothing are left out. OFFSET 0: or each place that uses a sum would ask for it anew.
CREATE VIEW day_sums AS
SELECT run.date, run.id AS run_id, run.day_start, run.day_end, utc.touched, sums.on_time, sums.late,
       COALESCE(known.touched = utc.touched, false) AS is_remembered
FROM (
    SELECT DISTINCT ON (date) date, id, day_start, day_end
    FROM batch_runs
    WHERE outcome IS NULL OR outcome = 'computed'
    ORDER BY date, id DESC
) AS run
LEFT JOIN day_versions AS known ON known.day_start = run.day_start AND known.day_end = run.day_end
CROSS JOIN LATERAL (
    SELECT COALESCE(SUM(on_time + late), 0)::bigint AS touched
    FROM ledger_days
    WHERE day = ANY (ARRAY[run.day_start::date,
                           LEAST(run.day_start::date + 1, (run.day_end - INTERVAL '1 microsecond')::date),
                           (run.day_end - INTERVAL '1 microsecond')::date])
) AS utc
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.touched = utc.touched THEN known.on_time
                ELSE ledger_events(run.day_start, run.day_end, false) END AS on_time,
           CASE WHEN known.touched = utc.touched THEN known.late
                ELSE ledger_events(run.day_start, run.day_end, true) END AS late
    OFFSET 0
) AS sums;

COMMENT ON VIEW day_sums IS 'What the ledger sums up to, of each day that was computed';
COMMENT ON COLUMN day_sums.date IS 'Day of the business time zone';
COMMENT ON COLUMN day_sums.run_id IS 'Its last run, in batch_runs';
COMMENT ON COLUMN day_sums.day_start IS 'Start of the day, UTC';
COMMENT ON COLUMN day_sums.day_end IS 'Its end, UTC; not part of it';
COMMENT ON COLUMN day_sums.touched IS 'Events of all UTC days that it has a part of';
COMMENT ON COLUMN day_sums.on_time IS 'Its events that came in time';
COMMENT ON COLUMN day_sums.late IS 'Its events whose minute had closed';
COMMENT ON COLUMN day_sums.is_remembered IS 'They stand in day_versions; false: they had to be summed up';

INSERT INTO day_versions (day_start, day_end, touched, on_time, late)
SELECT DISTINCT day_start, day_end, touched, on_time, late FROM day_sums;

-- As before, by these sums.
CREATE OR REPLACE VIEW day_states AS
WITH complete AS MATERIALIZED ( -- or it would be asked for with each day
    -- NULL, which no day's end is before: nothing is known of some partition, or there is none.
    SELECT CASE WHEN COUNT(*) = COUNT(complete_through) THEN MIN(complete_through) END AS through
    FROM current_progress
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
    FROM day_sums AS sums
    JOIN batch_runs AS run ON run.id = sums.run_id AND run.date = sums.date
    LEFT JOIN settings ON true
    CROSS JOIN LATERAL (
        SELECT sums.on_time + CASE WHEN run.include_late THEN sums.late ELSE 0 END AS version
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

-- Users ask for a day as DATE(window_start) = …, which no index on window_start serves: every minute that is kept was read.
-- Built here, while flushes wait, only of what takes about a second; a larger table gets it beside them, by the statement
-- that CHANGELOG.md and docs/operations.md name. No row's date ever changes, so updates stay HOT.
DO $$
BEGIN
    -- Of a table that somebody has partitioned the size is that of its parts.
    IF COALESCE((SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('real_time_metrics')),
                pg_table_size('real_time_metrics')) < 256 * 1024 * 1024 THEN
        CREATE INDEX IF NOT EXISTS real_time_metrics_date ON real_time_metrics (date(window_start));
    ELSE
        RAISE WARNING 'real_time_metrics is large; build its index beside the flushes: CREATE INDEX CONCURRENTLY real_time_metrics_date ON real_time_metrics (date(window_start))';
    END IF;
END $$;
