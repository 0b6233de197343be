-- A day's regions over all types, the one with most events first: $1 date, $2 how many.
SELECT region, COALESCE(SUM(total_events), 0)::bigint AS events,
       {COALESCE(SUM(<day column>), 0) AS <day column>}
FROM daily_stats
WHERE date = $1 AND region <> 'ALL' AND event_type <> 'most_active'
GROUP BY region
ORDER BY events DESC, region COLLATE "C"
LIMIT $2
