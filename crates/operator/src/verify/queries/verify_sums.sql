-- The DOUBLE columns of our rows are the NUMERIC ones, converted (I-5).
-- $1 lines to answer; $2, $3 half-open bounds in UTC.
--
-- Only wrong rows are kept, so that nothing but them is sorted.
WITH wrong AS (
    SELECT CASE WHEN is_late THEN 'late_metrics' ELSE 'real_time_metrics' END AS relation,
           window_start, event_type, region, {rounded: <name>, shown_<name>}
    FROM minute_figures
    WHERE own AND window_start >= $2 AND window_start < $3
      AND ROW({rounded: shown_<name>}) IS DISTINCT FROM ROW({rounded: <name>::double precision})
)
SELECT relation || '.' || figure.name AS what,
       format('window %s UTC, %s, %s', window_start, event_type, region) AS place,
       figure.exact::double precision::text AS expected,
       COALESCE(figure.stored::text, 'NULL') AS found, COUNT(*) OVER () AS total
FROM wrong
CROSS JOIN LATERAL (VALUES {rounded: ('<column>', shown_<name>, <name>)}) AS figure (name, stored, exact)
WHERE figure.stored IS DISTINCT FROM figure.exact::double precision
ORDER BY relation, window_start, event_type, region, figure.name
LIMIT $1
