-- Dead letters of a range. $1 topic, $2 generation, $3 partition, [$4, $5) offsets.
SELECT "offset"
FROM dead_letters
WHERE topic = $1 AND generation = $2 AND partition = $3 AND "offset" >= $4 AND "offset" < $5
ORDER BY "offset"
