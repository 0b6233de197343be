-- Remembers what the ledger sums up to, of each day that was computed and to whose UTC days something
-- has been added since it was last remembered. Sums and `touched` are of one snapshot, so an older one that comes last is
-- only out of date.
INSERT INTO day_versions (day_start, day_end, touched, on_time, late)
SELECT DISTINCT day_start, day_end, touched, on_time, late
FROM day_sums
WHERE NOT is_remembered
ORDER BY day_start, day_end
ON CONFLICT (day_start, day_end) DO UPDATE
SET touched = EXCLUDED.touched, on_time = EXCLUDED.on_time, late = EXCLUDED.late
