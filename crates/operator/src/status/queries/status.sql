-- The newest life of every partition that this database knows, retired ones included.
SELECT DISTINCT ON (topic, partition)
       topic, generation, partition, retired_at IS NOT NULL AS is_retired, owner, group_id,
       next_offset, on_time, late, dead, gap, skipped,
       watermark, complete_through, caught_up_at, witness_timestamp_ms, halted_reason, updated_at,
       CASE WHEN flush_blocked_at >= updated_at THEN flush_blocked END AS flush_blocked, flush_blocked_at,
       max_ahead_ms, max_behind_ms, recent_events, recent_late, recent_seconds, recent_late_seconds,
       exp(-LEAST(GREATEST(EXTRACT(epoch FROM now() - recent_at), 0), 9000)::double precision / 900) AS recent_fade,
       (sum_behind_ms / NULLIF(on_time + late, 0))::double precision AS mean_behind_ms
FROM stream_progress
ORDER BY topic, partition, generation DESC
