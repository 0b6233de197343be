SELECT region, ROUND(SUM(total_data_mb)::numeric / 1024 / 1024, 4) AS data_tb
FROM real_time_metrics
WHERE DATE(window_start) = CURRENT_DATE
GROUP BY region
ORDER BY data_tb DESC
LIMIT 5
