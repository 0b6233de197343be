-- The DOUBLE columns of our rows are the NUMERIC ones, converted (I-5).
-- $1 lines to answer; $2, $3 half-open bounds in UTC.
--
-- Each branch keeps only its wrong rows, so that nothing but them is sorted.
WITH wrong AS (
    SELECT 'real_time_metrics' AS relation, window_start, event_type, region,
           total_data_mb, total_amount, exact_data_mb, exact_amount
    FROM real_time_metrics
    WHERE own AND window_start >= $2 AND window_start < $3
      AND (total_data_mb IS DISTINCT FROM exact_data_mb::double precision
           OR total_amount IS DISTINCT FROM exact_amount::double precision)
    UNION ALL
    SELECT 'late_metrics', window_start, event_type, region,
           total_data_mb, total_amount, exact_data_mb, exact_amount
    FROM late_metrics
    WHERE window_start >= $2 AND window_start < $3
      AND (total_data_mb IS DISTINCT FROM exact_data_mb::double precision
           OR total_amount IS DISTINCT FROM exact_amount::double precision)
)
SELECT relation || '.' || figure.name AS what,
       format('window %s UTC, %s, %s', window_start, event_type, region) AS place,
       figure.exact::double precision::text AS expected,
       COALESCE(figure.stored::text, 'NULL') AS found, COUNT(*) OVER () AS total
FROM wrong
CROSS JOIN LATERAL (VALUES
    ('total_data_mb', total_data_mb, exact_data_mb),
    ('total_amount',  total_amount,  exact_amount)
) AS figure (name, stored, exact)
WHERE figure.stored IS DISTINCT FROM figure.exact::double precision
ORDER BY relation, window_start, event_type, region, figure.name
LIMIT $1
