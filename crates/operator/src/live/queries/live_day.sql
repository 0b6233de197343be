-- What the windows that begin in [$1, $2) add up to, as users' queries on the same columns would say.
SELECT COALESCE(SUM(event_count), 0)::bigint AS events,
       COALESCE(SUM(total_duration), 0)::bigint AS seconds,
       COALESCE(SUM(total_data_mb), 0) AS data_mb,
       COALESCE(SUM(total_amount), 0) AS amount,
       (SELECT COALESCE(SUM(event_count), 0)::bigint FROM late_metrics
        WHERE window_start >= $1 AND window_start < $2) AS late_events
FROM real_time_metrics
WHERE window_start >= $1 AND window_start < $2
