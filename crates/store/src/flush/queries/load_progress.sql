-- Positions, epochs and settings in one plain SELECT: a worker classifies records by what it read
-- together with the position it reads from. $1 topic, $2 partitions.
SELECT p.partition, p.generation, p.first_offset, p.next_offset, p.epoch,
       p.watermark, p.max_event_time,
       p.on_time, p.late, p.dead, p.gap, p.skipped,
       p.witness_offset, p.witness_timestamp_ms, p.witness_crc,
       p.origin_offset, p.origin_timestamp_ms, p.origin_crc,
       p.log_end_seen, p.caught_up_at, p.halted_reason, p.patterns_through,
       p.max_ahead_ms, p.max_behind_ms, p.sum_behind_ms::text AS sum_behind_ms,
       p.group_id, p.retired_at IS NOT NULL AS is_retired,
       -- A topic is of one cluster: what is known of one partition holds for those that nobody has said it of.
       COALESCE(p.cluster_id, known.cluster_id) AS cluster_id,
       COALESCE(p.cluster_id, known.cluster_id) IS NULL AND known.remembers_a_record AS awaits_cluster,
       s.watermark_delay_ms, s.max_future_skew_ms, s.business_timezone,
       g.id AS permission_id, g.start_from
FROM settings s
CROSS JOIN (
    SELECT DISTINCT ON (partition) *
    FROM stream_progress
    WHERE topic = $1 AND partition = ANY ($2)
    ORDER BY partition, generation DESC
) p
CROSS JOIN (
    SELECT MAX(k.cluster_id) AS cluster_id,
           COALESCE(BOOL_OR(k.witness_offset IS NOT NULL AND k.retired_at IS NULL), FALSE) AS remembers_a_record
    FROM stream_progress k
    WHERE k.topic = $1
      AND k.generation = (SELECT MAX(g.generation) FROM stream_progress g
                          WHERE g.topic = k.topic AND g.partition = k.partition)
) known
-- A permission is for the position at which the partition was halted, and for no later loss.
LEFT JOIN gaps g
    ON g.carried_out_at IS NULL
    AND (g.topic, g.generation, g.partition, g.position)
        = (p.topic, p.generation, p.partition, p.next_offset)
