-- The rows 'ALL' of several dates, a row per event type: $1 dates.
SELECT date, event_type, COALESCE(total_events, 0) AS events,
       COALESCE(total_duration_hours, 0) AS hours, COALESCE(total_data_tb, 0) AS data_tb,
       COALESCE(total_amount, 0) AS amount
FROM daily_stats
WHERE date = ANY ($1) AND region = 'ALL' AND event_type <> 'most_active'
ORDER BY date, events DESC, event_type COLLATE "C"
