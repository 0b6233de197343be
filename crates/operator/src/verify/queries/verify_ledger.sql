-- A partition's ledger sums to its counters, in both directions (I-1). $1 lines to answer.
WITH ledger AS (
    SELECT topic, generation, partition, SUM(on_time) AS on_time, SUM(late) AS late
    FROM day_ledger
    GROUP BY topic, generation, partition
)
SELECT figure.what,
       format('%s partition %s (generation %s)', topic, partition, generation) AS place,
       figure.expected::text AS expected, figure.found::text AS found, COUNT(*) OVER () AS total
FROM stream_progress AS progress
FULL JOIN ledger USING (topic, generation, partition)
CROSS JOIN LATERAL (VALUES
    ('ledger on_time', COALESCE(progress.on_time, 0)::numeric, COALESCE(ledger.on_time, 0)),
    ('ledger late',    COALESCE(progress.late, 0)::numeric,    COALESCE(ledger.late, 0))
) AS figure (what, expected, found)
WHERE figure.expected <> figure.found
ORDER BY topic, partition, generation, figure.what
LIMIT $1
