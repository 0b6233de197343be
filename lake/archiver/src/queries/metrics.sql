-- All that was counted, by minute, event type and region; MB and tenge in millionths. $1, $2: half-open bounds, or
-- NULL for all.
SELECT window_start, event_type, region,
       SUM(event_count)::bigint AS events, SUM(total_duration)::bigint AS seconds,
       (SUM(exact_data_mb) * 1000000)::numeric(38, 0)::text AS micro_mb,
       (SUM(exact_amount) * 1000000)::numeric(38, 0)::text AS micro_tenge
FROM (
    SELECT window_start, event_type, region, event_count, total_duration, exact_data_mb, exact_amount
    FROM real_time_metrics WHERE own
    UNION ALL
    SELECT window_start, event_type, region, event_count, total_duration, exact_data_mb, exact_amount
    FROM late_metrics
) AS counted
WHERE ($1::timestamp IS NULL OR window_start >= $1) AND ($2::timestamp IS NULL OR window_start < $2)
GROUP BY window_start, event_type, region
