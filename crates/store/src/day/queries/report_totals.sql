-- The rows 'ALL' of several dates, a row per event type: $1 dates.
SELECT date, event_type, COALESCE(total_events, 0) AS events, {COALESCE(<day column>, 0) AS <day column>}
FROM daily_stats
WHERE date = ANY ($1) AND region = 'ALL' AND event_type <> 'most_active'
ORDER BY date, events DESC, event_type COLLATE "C"
