-- What was counted of a day by us, on time and late, whether its minutes are there or have expired: $1, $2 the day's half-open
-- bounds in UTC. MB and tenge in millionths. These sums outlive the minutes, so a lake can be held against them.
SELECT COALESCE(SUM(events), 0)::bigint AS events, COALESCE(SUM(seconds), 0)::bigint AS seconds,
       COALESCE(SUM(data_mb) * 1000000, 0)::numeric(38, 0)::text AS data_mb_millionths,
       COALESCE(SUM(amount) * 1000000, 0)::numeric(38, 0)::text AS amount_millionths
FROM (
    SELECT events, seconds, data_mb, amount
    FROM expired_quarters
    WHERE quarter_start >= $1 AND quarter_start < $2
    UNION ALL
    SELECT events, seconds, data_mb, amount
    FROM minute_figures
    WHERE own AND window_start >= $1 AND window_start < $2
) AS counted
