-- What was late stays late, and what is complete stays so: the watermark is carried over. What an operator had taken out stays
-- out. A partition that the old topic does not have begins as one that was added.
-- $1 old topic, $2 new topic, $3 its cluster; then one array per column.
INSERT INTO stream_progress (
    topic, generation, partition, first_offset, next_offset, cluster_id, log_end_seen,
    witness_offset, witness_timestamp_ms, witness_crc,
    origin_offset, origin_timestamp_ms, origin_crc,
    watermark, max_event_time, complete_through, retired_at
)
SELECT $2, CASE WHEN $1 = $2 THEN COALESCE(old.generation + 1, 0) ELSE 0 END, n.partition,
       n.next_offset, n.next_offset, $3, n.log_end,
       n.witness_offset, n.witness_timestamp_ms, n.witness_crc,
       n.origin_offset, n.origin_timestamp_ms, n.origin_crc,
       old.watermark, old.max_event_time,
       CASE WHEN old.partition IS NULL THEN least_complete.through ELSE old.complete_through END,
       old.was_retired_at
FROM unnest(
    $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::bigint[]
) AS n (
    partition, next_offset, log_end, witness_offset, witness_timestamp_ms, witness_crc,
    origin_offset, origin_timestamp_ms, origin_crc
)
LEFT JOIN (
    SELECT DISTINCT ON (partition) partition, generation, watermark, max_event_time, complete_through,
           -- Of this transaction: it was in service until now.
           CASE WHEN retired_at < now() THEN retired_at END AS was_retired_at
    FROM stream_progress
    WHERE topic = $1
    ORDER BY partition, generation DESC
) old ON old.partition = n.partition
CROSS JOIN (
    SELECT CASE WHEN COUNT(*) = COUNT(complete_through) THEN MIN(complete_through) END AS through
    FROM stream_progress
    WHERE topic = $1 AND (retired_at IS NULL OR retired_at = now())
) least_complete
