-- Our windows of a quarter of an hour, and what has expired of it, sum to its ledger, in both directions (I-1).
-- $1 lines to answer; $2, $3 half-open bounds in UTC.
WITH ledger AS (
    SELECT quarter_start, SUM(on_time) AS on_time, SUM(late) AS late
    FROM day_ledger
    WHERE quarter_start >= $2 AND quarter_start < $3
    GROUP BY quarter_start
),
in_time AS (
    SELECT date_bin('15 minutes', window_start, TIMESTAMP '2000-01-01') AS quarter_start,
           SUM(event_count) AS events
    FROM real_time_metrics
    WHERE own AND window_start >= $2 AND window_start < $3
    GROUP BY 1
),
too_late AS (
    SELECT date_bin('15 minutes', window_start, TIMESTAMP '2000-01-01') AS quarter_start,
           SUM(event_count) AS events
    FROM late_metrics
    WHERE window_start >= $2 AND window_start < $3
    GROUP BY 1
),
expired AS (
    SELECT quarter_start,
           SUM(events) FILTER (WHERE relation = 'real_time_metrics') AS on_time,
           SUM(events) FILTER (WHERE relation = 'late_metrics') AS late
    FROM expired_quarters
    WHERE quarter_start >= $2 AND quarter_start < $3
    GROUP BY quarter_start
)
SELECT figure.what, 'quarter ' || quarter_start || ' UTC' AS place,
       figure.expected::text AS expected, figure.found::text AS found, COUNT(*) OVER () AS total
FROM ledger
FULL JOIN in_time USING (quarter_start)
FULL JOIN too_late USING (quarter_start)
FULL JOIN expired USING (quarter_start)
CROSS JOIN LATERAL (VALUES
    ('events in real_time_metrics', COALESCE(ledger.on_time, 0), COALESCE(in_time.events, 0) + COALESCE(expired.on_time, 0)),
    ('events in late_metrics',      COALESCE(ledger.late, 0),    COALESCE(too_late.events, 0) + COALESCE(expired.late, 0))
) AS figure (what, expected, found)
WHERE figure.expected <> figure.found
ORDER BY quarter_start, figure.what
LIMIT $1
