-- The day's events by type and region, counted from the windows; $1, $2 the day's half-open bounds
-- in UTC.
SELECT event_type, region, SUM(COALESCE(event_count, 0))::bigint AS events
FROM real_time_metrics
WHERE window_start >= $1 AND window_start < $2
GROUP BY event_type, region
