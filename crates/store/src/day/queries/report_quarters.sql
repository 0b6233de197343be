-- A day's events by quarter of an hour, in order; whoever asks makes hours of them, whatever the time
-- zone. $1, $2 the day's half-open bounds in UTC; $3 whether late events are part of the day.
SELECT date_bin('15 minutes', window_start, '2000-01-01') AS quarter,
       COALESCE(SUM(event_count), 0)::bigint AS events
FROM (
    SELECT window_start, event_count FROM real_time_metrics
    UNION ALL
    SELECT window_start, event_count FROM late_metrics WHERE $3
) AS counted
WHERE window_start >= $1 AND window_start < $2
GROUP BY quarter
ORDER BY quarter
