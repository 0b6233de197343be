-- The sums of a UTC day's ledger are those of ledger_days, in both directions (I-1): positions are held against these.
-- $1 lines to answer; $2, $3 half-open bounds, at midnight UTC.
WITH ledger AS (
    SELECT quarter_start::date AS day, topic, generation, partition, SUM(on_time) AS on_time, SUM(late) AS late
    FROM day_ledger
    WHERE quarter_start >= $2 AND quarter_start < $3
    GROUP BY 1, topic, generation, partition
),
days AS (
    SELECT day, topic, generation, partition, SUM(on_time) AS on_time, SUM(late) AS late
    FROM ledger_days
    WHERE day >= $2::timestamp::date AND day < $3::timestamp::date
    GROUP BY day, topic, generation, partition
)
SELECT figure.what,
       format('%s UTC, %s partition %s (generation %s)', day, topic, partition, generation) AS place,
       figure.expected::text AS expected, figure.found::text AS found, COUNT(*) OVER () AS total
FROM ledger
FULL JOIN days USING (day, topic, generation, partition)
CROSS JOIN LATERAL (VALUES
    ('on_time in ledger_days', COALESCE(ledger.on_time, 0), COALESCE(days.on_time, 0)),
    ('late in ledger_days',    COALESCE(ledger.late, 0),    COALESCE(days.late, 0))
) AS figure (what, expected, found)
WHERE figure.expected <> figure.found
ORDER BY day, topic, partition, generation, figure.what
LIMIT $1
