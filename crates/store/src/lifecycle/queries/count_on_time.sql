-- What expire_on_time.sql would answer. $1 start of the quarter of an hour.
SELECT COUNT(*) AS rows,
       (SUM(event_count) + COALESCE((SELECT events FROM expired_quarters
                                     WHERE relation = 'real_time_metrics' AND quarter_start = $1), 0))::bigint AS events
FROM real_time_metrics
WHERE own AND window_start >= $1 AND window_start < $1 + INTERVAL '15 minutes'
HAVING COUNT(*) > 0
