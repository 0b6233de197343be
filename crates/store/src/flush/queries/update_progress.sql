-- The rows are locked already, in key order, so the order of this update does not matter.
-- $1 topic, $2 group, $3 owner; then one array per column; $31 the cluster.
UPDATE stream_progress p
SET next_offset = n.next_offset,
    watermark = n.watermark,
    max_event_time = n.max_event_time,
    on_time = n.on_time, late = n.late, dead = n.dead, skipped = n.skipped,
    witness_offset = n.witness_offset,
    witness_timestamp_ms = n.witness_timestamp_ms,
    witness_crc = n.witness_crc,
    origin_offset = n.origin_offset,
    origin_timestamp_ms = n.origin_timestamp_ms,
    origin_crc = n.origin_crc,
    -- A writer that was stopped for a while may know less than the row.
    log_end_seen = GREATEST(p.log_end_seen, n.log_end_seen),
    caught_up_at = GREATEST(p.caught_up_at, n.caught_up_at),
    complete_through = GREATEST(
        p.complete_through, n.watermark, n.caught_up_at - INTERVAL '10 minutes'),
    halted_reason = n.halted_reason,
    patterns_through = n.patterns_through,
    max_ahead_ms = n.max_ahead_ms,
    max_behind_ms = n.max_behind_ms,
    sum_behind_ms = n.sum_behind_ms::numeric,
    recent_at = now(),
    recent_events = faded.events + n.recent_events,
    recent_late = faded.late + n.recent_late,
    recent_seconds = faded.seconds + n.recent_seconds,
    recent_late_seconds = faded.late_seconds + n.recent_late_seconds,
    -- Whoever has found the last record counted in its log may say whose log it is.
    cluster_id = COALESCE(p.cluster_id, CASE WHEN n.log_is_verified THEN $31 END),
    group_id = $2,
    owner = $3,
    updated_at = now()
FROM unnest(
    $4::int[], $5::int[], $6::bigint[], $7::timestamp[], $8::timestamp[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
    $13::bigint[], $14::bigint[], $15::bigint[],
    $16::bigint[], $17::bigint[], $18::bigint[],
    $19::bigint[], $20::timestamp[], $21::text[],
    $22::bigint[], $23::bigint[], $24::text[],
    $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::boolean[]
) AS n (
    generation, partition, next_offset, watermark, max_event_time,
    on_time, late, dead, skipped,
    witness_offset, witness_timestamp_ms, witness_crc,
    origin_offset, origin_timestamp_ms, origin_crc,
    log_end_seen, caught_up_at, halted_reason,
    max_ahead_ms, max_behind_ms, sum_behind_ms,
    recent_events, recent_late, recent_seconds, recent_late_seconds, patterns_through,
    log_is_verified
)
-- What has become too small to count is 0: PostgreSQL refuses a product that underflows.
CROSS JOIN LATERAL (
    SELECT old.generation, old.partition,
           fade * CASE WHEN old.recent_events < 0.001 THEN 0 ELSE old.recent_events END AS events,
           fade * CASE WHEN old.recent_late < 0.001 THEN 0 ELSE old.recent_late END AS late,
           fade * CASE WHEN old.recent_seconds < 0.001 THEN 0 ELSE old.recent_seconds END AS seconds,
           fade * CASE WHEN old.recent_late_seconds < 0.001 THEN 0 ELSE old.recent_late_seconds END AS late_seconds
    FROM stream_progress old,
         exp(-LEAST(GREATEST(EXTRACT(epoch FROM now() - old.recent_at), 0), 9000)::double precision / 900) AS fade
    WHERE old.topic = $1 AND old.generation = n.generation AND old.partition = n.partition
) AS faded
WHERE p.topic = $1 AND p.generation = n.generation AND p.partition = n.partition
