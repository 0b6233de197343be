-- Late events by event type and region, most first, beside our own on-time events of the same key.
-- MB and tenge in millionths. $1 windows at or after, $2 before (NULL: any).
SELECT event_type, region,
       SUM(event_count) FILTER (WHERE is_late)::bigint AS events,
       SUM(total_duration) FILTER (WHERE is_late)::bigint AS seconds,
       trunc(SUM(exact_data_mb) FILTER (WHERE is_late) * 1000000)::text AS micro_mb,
       trunc(SUM(exact_amount) FILTER (WHERE is_late) * 1000000)::text AS micro_tenge,
       COALESCE(SUM(event_count) FILTER (WHERE NOT is_late), 0)::bigint AS on_time_events
FROM (
    SELECT window_start, event_type, region, event_count, total_duration, exact_data_mb,
           exact_amount, true AS is_late
    FROM late_metrics
    UNION ALL
    SELECT window_start, event_type, region, event_count, NULL, NULL, NULL, false
    FROM real_time_metrics WHERE own
) counted
WHERE ($1::timestamp IS NULL OR window_start >= $1)
  AND ($2::timestamp IS NULL OR window_start < $2)
GROUP BY event_type, region
HAVING bool_or(is_late)
ORDER BY events DESC, event_type, region
