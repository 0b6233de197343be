-- Late events by event type and region, most first, beside our own on-time events of the same key.
-- Figures in millionths. $1 windows at or after, $2 before (NULL: any).
SELECT event_type, region,
       SUM(events) FILTER (WHERE is_late)::bigint AS events,
       {trunc(SUM(<name>) FILTER (WHERE is_late) * 1000000)::text AS <name>},
       COALESCE(SUM(events) FILTER (WHERE NOT is_late), 0)::bigint AS on_time_events
FROM minute_figures
WHERE own AND ($1::timestamp IS NULL OR window_start >= $1)
  AND ($2::timestamp IS NULL OR window_start < $2)
GROUP BY event_type, region
HAVING bool_or(is_late)
ORDER BY events DESC, event_type, region
