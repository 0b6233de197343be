-- Keys that the replaced system wrote more than once. Rows that agree in all figures were written
-- again after a crash; rows that differ may be parts of one window. $1 lines to answer.
SELECT window_start, event_type, region, COUNT(*) AS rows,
       COUNT(DISTINCT (event_count, total_duration, total_data_mb, total_amount)) = 1 AS agree,
       COUNT(*) OVER () AS keys,
       (SUM(COUNT(*) - 1) OVER ())::bigint AS surplus
FROM real_time_metrics_legacy
GROUP BY window_start, event_type, region
HAVING COUNT(*) > 1
ORDER BY window_start, event_type COLLATE "C", region COLLATE "C"
LIMIT $1
