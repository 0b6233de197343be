-- The same by quarter of an hour, UTC, in order: every time zone's days are whole quarters. Has
-- quarters without late events too, for their on-time events.
SELECT date_bin('15 minutes', window_start, '2000-01-01') AS quarter,
       COALESCE(SUM(event_count) FILTER (WHERE is_late), 0)::bigint AS events,
       COALESCE(SUM(total_duration) FILTER (WHERE is_late), 0)::bigint AS seconds,
       trunc(COALESCE(SUM(exact_data_mb) FILTER (WHERE is_late), 0) * 1000000)::text AS micro_mb,
       trunc(COALESCE(SUM(exact_amount) FILTER (WHERE is_late), 0) * 1000000)::text AS micro_tenge,
       COALESCE(SUM(event_count) FILTER (WHERE NOT is_late), 0)::bigint AS on_time_events
FROM (
    SELECT window_start, event_count, total_duration, exact_data_mb, exact_amount, true AS is_late
    FROM late_metrics
    UNION ALL
    SELECT window_start, event_count, NULL, NULL, NULL, false
    FROM real_time_metrics WHERE own
) counted
WHERE ($1::timestamp IS NULL OR window_start >= $1)
  AND ($2::timestamp IS NULL OR window_start < $2)
GROUP BY quarter
ORDER BY quarter
