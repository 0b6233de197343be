-- Events of each business day, on time and late. $1: the time zone; $2, $3: from and to, UTC.
SELECT ((quarter_start AT TIME ZONE 'UTC') AT TIME ZONE $1)::date AS day, SUM(on_time + late)::bigint AS events
FROM day_ledger
WHERE quarter_start >= $2 AND quarter_start < $3
GROUP BY 1
