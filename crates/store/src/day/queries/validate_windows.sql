-- The day's windows as they are, one by one, for adding up outside the database. $1, $2 the day's
-- half-open bounds in UTC; $3 whether late events are part of the day.
SELECT event_type, region, event_count, total_duration, own,
       exact_data_mb::text AS exact_data_mb, exact_amount::text AS exact_amount,
       total_data_mb, total_amount
FROM real_time_metrics
WHERE window_start >= $1 AND window_start < $2
UNION ALL
SELECT event_type, region, event_count, total_duration, true,
       exact_data_mb::text, exact_amount::text, total_data_mb, total_amount
FROM late_metrics
WHERE $3 AND window_start >= $1 AND window_start < $2
