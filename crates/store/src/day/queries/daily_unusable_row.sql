-- The first row of a day that can't be summed or named, and the figure in it that is no number: $1, $2 the day's
-- half-open bounds in UTC. Only rows that someone else inserted can be so; the streamer refuses such events. These rows
-- have an index of their own, so that a day that has none costs nothing.
SELECT window_start, event_type, region,
       (array_remove(ARRAY[{rounded: CASE WHEN <column> IN ('NaN', 'Infinity', '-Infinity') THEN '<column>' END}],
                     NULL))[1] AS not_a_number
FROM real_time_metrics
WHERE NOT own AND window_start >= $1 AND window_start < $2
  AND (event_type IS NULL OR region IS NULL OR event_type = 'most_active' OR region = 'ALL'
       OR ARRAY[{rounded: <column>}] && ARRAY['NaN', 'Infinity', '-Infinity']::double precision[])
ORDER BY window_start, event_type, region
LIMIT 1
