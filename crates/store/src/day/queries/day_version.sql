-- How many events of a day the ledger has: $1, $2 the day's half-open bounds in UTC; $3 whether late
-- events count.
SELECT COALESCE(SUM(on_time + CASE WHEN $3 THEN late ELSE 0 END), 0)::bigint
FROM day_ledger
WHERE quarter_start >= $1 AND quarter_start < $2
