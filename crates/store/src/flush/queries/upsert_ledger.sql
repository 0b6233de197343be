-- A partition's rows are written by whoever holds its lock in stream_progress.
-- $1 topic; then one array per column.
INSERT INTO day_ledger AS l (topic, generation, partition, quarter_start, on_time, late)
SELECT $1, n.generation, n.partition, n.quarter_start, n.on_time, n.late
FROM unnest($2::int[], $3::int[], $4::timestamp[], $5::bigint[], $6::bigint[])
     AS n (generation, partition, quarter_start, on_time, late)
ON CONFLICT (quarter_start, topic, generation, partition) DO UPDATE
SET on_time = l.on_time + EXCLUDED.on_time, late = l.late + EXCLUDED.late
