-- Events by region and type of the windows after $1, the most first; at most $2 cells.
SELECT region, event_type, SUM(event_count)::bigint AS events
FROM real_time_metrics
WHERE window_start > $1 AND event_count IS NOT NULL AND region IS NOT NULL AND event_type IS NOT NULL
GROUP BY region, event_type
ORDER BY events DESC, region, event_type
LIMIT $2
