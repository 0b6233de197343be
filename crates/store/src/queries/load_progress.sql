-- Positions, epochs and settings in one plain SELECT: a worker classifies records by what it read
-- together with the position it reads from. $1 topic, $2 partitions.
SELECT p.partition, p.generation, p.first_offset, p.next_offset, p.epoch,
       p.watermark, p.max_event_time,
       p.on_time, p.late, p.dead, p.gap, p.skipped,
       p.witness_offset, p.witness_timestamp_ms, p.witness_crc,
       p.origin_offset, p.origin_timestamp_ms, p.origin_crc,
       p.log_end_seen, p.caught_up_at, p.halted_reason,
       s.watermark_delay_ms, s.max_future_skew_ms
FROM settings s
CROSS JOIN (
    SELECT DISTINCT ON (partition) *
    FROM stream_progress
    WHERE topic = $1 AND partition = ANY ($2) AND retired_at IS NULL
    ORDER BY partition, generation DESC
) p
