-- The regions with the most events in [$1, $2); at most $3.
SELECT region
FROM real_time_metrics
WHERE window_start >= $1 AND window_start < $2
  AND event_count IS NOT NULL AND region IS NOT NULL AND event_type IS NOT NULL
GROUP BY region
ORDER BY SUM(event_count) DESC, region
LIMIT $3
