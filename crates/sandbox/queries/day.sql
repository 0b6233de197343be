SELECT event_type, region, total_events,
       ROUND(total_data_tb::numeric, 4) AS data_tb,
       ROUND(total_amount::numeric, 2) AS amount
FROM daily_stats
WHERE date = '2025-11-09' AND region != 'ALL'
ORDER BY total_events DESC
LIMIT 10
