-- By reason, partition and UTC day of storing. Parameters as in list_dead_letters.sql, $6 limit.
SELECT d.reason, d.topic, d.partition, d.stored_at::date AS day,
       COUNT(*) AS letters,
       COUNT(*) FILTER (WHERE EXISTS (
           SELECT FROM dead_letter_replays r
           WHERE (r.topic, r.generation, r.partition, r."offset")
               = (d.topic, d.generation, d.partition, d."offset") AND r.state = 'replayed'
       )) AS replayed
FROM dead_letters d
WHERE ($1::text IS NULL OR d.reason = $1)
  AND ($2::text IS NULL OR d.topic = $2)
  AND ($3::int IS NULL OR d.partition = $3)
  AND ($4::timestamp IS NULL OR d.stored_at >= $4)
  AND ($5::timestamp IS NULL OR d.stored_at < $5)
GROUP BY d.reason, d.topic, d.partition, d.stored_at::date
ORDER BY d.reason, d.topic, d.partition, day
LIMIT $6
