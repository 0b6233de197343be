-- A partition's rows are written by whoever holds its lock in stream_progress. The first hit's evidence stays. Whoever
-- listens is told in the same transaction that there is something new.
-- $1 topic; then one array per column; offsets as text, because an array of arrays must be a rectangle.
WITH stored AS (
INSERT INTO persons.alerts AS a (
    topic, generation, partition, rule, version, mode, subscriber_id, bucket_start, bucket_seconds,
    hits, window_start, window_end, measures, offsets
)
SELECT $1, n.generation, n.partition, n.rule, n.version, n.mode, n.subscriber, n.bucket_start, n.bucket_seconds,
       n.hits, n.window_start, n.window_end, n.measures, n.offsets::bigint[]
FROM unnest($2::int[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::timestamp[], $9::bigint[],
            $10::bigint[], $11::timestamp[], $12::timestamp[], $13::jsonb[], $14::text[])
     AS n (generation, partition, rule, version, mode, subscriber, bucket_start, bucket_seconds,
           hits, window_start, window_end, measures, offsets)
ON CONFLICT (rule, version, subscriber_id, bucket_start, topic, generation, partition) DO UPDATE
SET hits = a.hits + EXCLUDED.hits, updated_at = now()
RETURNING 1)
SELECT pg_notify('alerts', '') FROM (SELECT FROM stored LIMIT 1) AS one
