-- What the windows of [$1, $2) add up to: by step of $3 seconds (of all, by region, by type), and over all of it (of all, by region,
-- by type, by both). NULL stands for "all". Regions other than $4 are in the sums of all, and have none of their own.
WITH cells AS MATERIALIZED (
    SELECT floor(EXTRACT(epoch FROM window_start - $1) / $3)::int AS step, region, event_type,
           SUM(events) AS events, {SUM(shown_<name>) AS <name>}
    FROM minute_figures
    WHERE NOT is_late AND window_start >= $1 AND window_start < $2
      AND events IS NOT NULL AND region IS NOT NULL AND event_type IS NOT NULL
    GROUP BY step, region, event_type
)
SELECT step, region, event_type, SUM(events)::bigint AS events,
       {COALESCE(SUM(<name>), 0)::double precision AS <name>}
FROM cells
GROUP BY GROUPING SETS ((step), (step, region), (step, event_type), (), (region), (event_type), (region, event_type))
-- Without rows the set () is one row all the same, of NULLs.
HAVING COUNT(*) > 0 AND (GROUPING(region) = 1 OR region = ANY ($4))
