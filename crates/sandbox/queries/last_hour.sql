SELECT event_type, COUNT(*) AS windows, SUM(event_count) AS total_events
FROM real_time_metrics
WHERE window_start >= NOW() - INTERVAL '1 hour'
GROUP BY event_type
ORDER BY total_events DESC
