-- Of the business day $3, which is [$1, $2) in UTC: its events by the ledger, and whether it was computed.
SELECT (SELECT COALESCE(SUM(on_time), 0)::bigint FROM day_ledger
        WHERE quarter_start >= $1 AND quarter_start < $2) AS events,
       EXISTS (SELECT FROM daily_stats WHERE date = $3) AS is_computed,
       $4::bigint AS ended_seconds_ago
