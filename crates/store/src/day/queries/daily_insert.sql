-- Writes the rows of one business day into daily_stats; answers how many, from how many windows (or sums of a lake), and
-- how many events of our own counting these hold. $1 date. What it reads, `counted`, stands before it: daily_of_minutes.sql
-- or daily_of_lake.sql.
--
-- Sums are NUMERIC from row to total, so their order does not matter (I-5). Each is divided once,
-- at the end, with 40 decimals: the double stored is then the one nearest to the exact quotient.
pair AS (
    SELECT event_type, region, COUNT(*) AS windows,
           SUM(COALESCE(events, 0)) AS events,
           SUM(events) FILTER (WHERE own) AS own_events,
           {SUM(<name>) AS <name>}
    FROM counted
    GROUP BY event_type, region
),
-- The few pairs once more by type and by region; one more pass over the windows would cost far more.
total AS (
    SELECT event_type, region,
           GROUPING(event_type) = 1 AS all_types, GROUPING(region) = 1 AS all_regions,
           SUM(events) AS events, {SUM(<name>) AS <name>}
    FROM pair
    GROUP BY GROUPING SETS ((event_type, region), (event_type), (region))
),
day_row AS (
    SELECT event_type, CASE WHEN all_regions THEN 'ALL' ELSE region END AS region,
           events, {<name>}
    FROM total WHERE NOT all_types
    UNION ALL
    -- "C" orders UTF-8 text by code point, whatever the database's own collation.
    (SELECT 'most_active', region, events, {<name>}
     FROM total WHERE all_types
     ORDER BY events DESC, region COLLATE "C" LIMIT 1)
),
written AS (
    INSERT INTO daily_stats (date, event_type, region, total_events, {<day column>},
                             avg_duration_seconds, avg_data_per_user_mb)
    SELECT $1, event_type, region, events::bigint,
           {<in day units>::double precision},
           (seconds::numeric(1000, 40) / NULLIF(events, 0))::double precision,
           NULL -- daily_subscribers.sql sets it where it is known
    FROM day_row
    RETURNING 1
)
SELECT (SELECT COUNT(*) FROM written) AS rows,
       (SELECT COALESCE(SUM(windows), 0)::bigint FROM pair) AS windows,
       (SELECT COALESCE(SUM(own_events), 0)::bigint FROM pair) AS own_events
