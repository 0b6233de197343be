-- The newest row of each partition. $1 topic.
SELECT p.partition, p.generation, p.first_offset, p.next_offset, p.epoch,
       p.on_time, p.late, p.dead, p.gap, p.skipped,
       p.witness_offset, p.witness_timestamp_ms, p.witness_crc,
       p.origin_offset, p.origin_timestamp_ms, p.origin_crc,
       p.log_end_seen, p.retired_at IS NOT NULL AS is_retired, p.cluster_id,
       all_lives.counted
FROM (
    SELECT DISTINCT ON (partition) *
    FROM stream_progress
    WHERE topic = $1
    ORDER BY partition, generation DESC
) p
CROSS JOIN LATERAL (
    SELECT SUM(l.on_time + l.late + l.dead)::bigint AS counted
    FROM stream_progress l
    WHERE l.topic = $1 AND l.partition = p.partition
) all_lives
ORDER BY p.partition
