-- What a day is made of, read by daily_insert.sql: its windows. $1 date; $2, $3 the day's half-open bounds in UTC; $4
-- whether late events are part of the day.
WITH counted AS (
    SELECT event_type, region, event_count, total_duration, own,
           CASE WHEN own THEN exact_data_mb ELSE COALESCE(total_data_mb, 0)::numeric END AS data_mb,
           CASE WHEN own THEN exact_amount  ELSE COALESCE(total_amount, 0)::numeric END  AS amount
    FROM real_time_metrics
    WHERE window_start >= $2 AND window_start < $3
    UNION ALL
    SELECT event_type, region, event_count, total_duration, true, exact_data_mb, exact_amount
    FROM late_metrics
    WHERE $4 AND window_start >= $2 AND window_start < $3
),
