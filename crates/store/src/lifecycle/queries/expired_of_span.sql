-- What has expired of [$1, $2), in UTC; $3 whether late events count. The quarters are those of the minutes that are asked about.
SELECT COUNT(DISTINCT quarter_start) AS quarters, COALESCE(SUM(events), 0)::bigint AS events
FROM expired_quarters
WHERE quarter_start >= $1 AND quarter_start < $2 AND (relation = 'real_time_metrics' OR $3)
