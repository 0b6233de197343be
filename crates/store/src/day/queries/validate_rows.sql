-- The day's rows as they are stored; $1 date. NaN stands for NULL where a row must have a value: it
-- equals nothing.
SELECT event_type, region, total_events, {COALESCE(<day column>, 'NaN') AS <day column>},
       avg_duration_seconds, distinct_subscribers, avg_data_per_user_mb
FROM daily_stats
WHERE date = $1
ORDER BY event_type COLLATE "C", region COLLATE "C"
