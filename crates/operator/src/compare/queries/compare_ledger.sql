-- The next rows of a topic's ledger, all lives of a partition added up. $1 the topic; $2, $3 quarter and partition of the
-- row before; $4 the quarter that is not asked for any more; $5 how many at most.
SELECT quarter_start, partition, SUM(on_time)::bigint AS on_time, SUM(late)::bigint AS late
FROM day_ledger
WHERE topic = $1 AND quarter_start >= $2 AND (quarter_start > $2 OR partition > $3) AND quarter_start < $4
GROUP BY quarter_start, partition
ORDER BY quarter_start, partition
LIMIT $5
