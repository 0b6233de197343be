-- What the windows that begin in [$1, $2) add up to, as users' queries on the same columns would say.
SELECT COALESCE(SUM(events), 0)::bigint AS events,
       {COALESCE(SUM(shown_<name>), 0)::double precision AS <name>},
       (SELECT COALESCE(SUM(events), 0)::bigint FROM minute_figures
        WHERE is_late AND window_start >= $1 AND window_start < $2) AS late_events
FROM minute_figures
WHERE NOT is_late AND window_start >= $1 AND window_start < $2
