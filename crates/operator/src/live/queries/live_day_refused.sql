-- Late events of the windows that begin in [$1, $2), and dead letters stored in the last 24 hours, counted up to $3.
SELECT (SELECT COALESCE(SUM(event_count), 0)::bigint FROM late_metrics
        WHERE window_start >= $1 AND window_start < $2) AS late_events,
       (SELECT COUNT(*) FROM (SELECT FROM dead_letters WHERE stored_at >= now() - INTERVAL '24 hours' LIMIT $3) AS latest)
           AS dead_letters
