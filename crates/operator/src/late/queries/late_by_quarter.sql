-- The same by quarter of an hour, UTC, in order: every time zone's days are whole quarters. Has
-- quarters without late events too, for their on-time events.
SELECT date_bin('15 minutes', window_start, '2000-01-01') AS quarter,
       COALESCE(SUM(events) FILTER (WHERE is_late), 0)::bigint AS events,
       {trunc(COALESCE(SUM(<name>) FILTER (WHERE is_late), 0) * 1000000)::text AS <name>},
       COALESCE(SUM(events) FILTER (WHERE NOT is_late), 0)::bigint AS on_time_events
FROM minute_figures
WHERE own AND ($1::timestamp IS NULL OR window_start >= $1)
  AND ($2::timestamp IS NULL OR window_start < $2)
GROUP BY quarter
ORDER BY quarter
