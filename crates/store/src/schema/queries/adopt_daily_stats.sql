-- The replaced system's daily figures as they are. Rows that our key can't hold stay where they are:
-- those with a NULL in it, and all but the last stored one of a key.
INSERT INTO daily_stats (
    date, event_type, region, total_events, total_duration_hours, total_data_tb, total_amount,
    avg_duration_seconds, avg_data_per_user_mb
)
SELECT date, event_type, region, total_events, total_duration_hours, total_data_tb, total_amount,
       avg_duration_seconds, avg_data_per_user_mb
FROM daily_stats_legacy
WHERE date IS NOT NULL AND event_type IS NOT NULL AND region IS NOT NULL
ORDER BY ctid DESC
ON CONFLICT DO NOTHING
