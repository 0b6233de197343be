-- Events of each minute after $1 that has any.
SELECT window_start, SUM(event_count)::bigint AS events
FROM real_time_metrics
WHERE window_start > $1 AND event_count IS NOT NULL
GROUP BY window_start
ORDER BY window_start
