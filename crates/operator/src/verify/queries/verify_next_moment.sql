-- The first moment in [$1, $2) that has one of our windows, a ledger row, a sum of these or an expired quarter; NULL: none.
-- Each is one step into an index. LEAST leaves NULLs out.
SELECT LEAST(
    (SELECT MIN(window_start) FROM real_time_metrics WHERE own AND window_start >= $1 AND window_start < $2),
    (SELECT MIN(window_start) FROM late_metrics WHERE window_start >= $1 AND window_start < $2),
    (SELECT MIN(quarter_start) FROM day_ledger WHERE quarter_start >= $1 AND quarter_start < $2),
    (SELECT MIN(day)::timestamp FROM ledger_days WHERE day >= $1::timestamp::date AND day < $2::timestamp::date),
    (SELECT MIN(quarter_start) FROM expired_quarters WHERE quarter_start >= $1 AND quarter_start < $2)
)
