-- What the windows of [$1, $2) add up to: by step of $3 seconds (of all, by region, by type), and over all of it (of all, by region,
-- by type, by both). NULL stands for "all". Regions other than $4 are in the sums of all, and have none of their own.
WITH cells AS MATERIALIZED (
    SELECT floor(EXTRACT(epoch FROM window_start - $1) / $3)::int AS step, region, event_type,
           SUM(event_count) AS events, SUM(total_duration) AS seconds,
           SUM(total_data_mb) AS data_mb, SUM(total_amount) AS amount
    FROM real_time_metrics
    WHERE window_start >= $1 AND window_start < $2
      AND event_count IS NOT NULL AND region IS NOT NULL AND event_type IS NOT NULL
    GROUP BY step, region, event_type
)
SELECT step, region, event_type, SUM(events)::bigint AS events, COALESCE(SUM(seconds), 0)::bigint AS seconds,
       COALESCE(SUM(data_mb), 0)::double precision AS data_mb, COALESCE(SUM(amount), 0)::double precision AS amount
FROM cells
GROUP BY GROUPING SETS ((step), (step, region), (step, event_type), (), (region), (event_type), (region, event_type))
-- Without rows the set () is one row all the same, of NULLs.
HAVING COUNT(*) > 0 AND (GROUPING(region) = 1 OR region = ANY ($4))
