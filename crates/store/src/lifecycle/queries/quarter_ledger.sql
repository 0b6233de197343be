-- Events on time and late of the quarter of an hour that begins at $1, by the ledger.
SELECT COALESCE(SUM(on_time), 0)::bigint AS on_time, COALESCE(SUM(late), 0)::bigint AS late
FROM day_ledger
WHERE quarter_start = $1
