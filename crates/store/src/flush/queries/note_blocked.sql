-- $1 topic; one array per column; $5 the reason. A row that has moved on is somebody else's by now. The
-- lock is taken in key order, as flushes do.
UPDATE stream_progress p
SET flush_blocked = $5, flush_blocked_at = clock_timestamp()
FROM (
    SELECT p.topic, p.generation, p.partition
    FROM stream_progress p
    JOIN unnest($2::int[], $3::int[], $4::bigint[]) AS n (generation, partition, next_offset)
      USING (generation, partition, next_offset)
    WHERE p.topic = $1
    ORDER BY p.generation, p.partition
    FOR UPDATE OF p
) AS locked
WHERE p.topic = locked.topic AND p.generation = locked.generation AND p.partition = locked.partition
