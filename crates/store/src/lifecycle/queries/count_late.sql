-- What expire_late.sql would answer. $1 start of the quarter of an hour.
SELECT COUNT(*) AS rows,
       (SUM(event_count) + COALESCE((SELECT events FROM expired_quarters
                                     WHERE relation = 'late_metrics' AND quarter_start = $1), 0))::bigint AS events
FROM late_metrics
WHERE window_start >= $1 AND window_start < $1 + INTERVAL '15 minutes'
HAVING COUNT(*) > 0
