-- Letters that were replayed before. Parameters $1 to $5 as in list_dead_letters.sql.
SELECT COUNT(*)
FROM dead_letters d
WHERE ($1::text IS NULL OR d.reason = $1)
  AND ($2::text IS NULL OR d.topic = $2)
  AND ($3::int IS NULL OR d.partition = $3)
  AND ($4::timestamp IS NULL OR d.stored_at >= $4)
  AND ($5::timestamp IS NULL OR d.stored_at < $5)
  AND d.erasure IS NULL
  AND EXISTS (
      SELECT FROM dead_letter_replays r
      WHERE (r.topic, r.generation, r.partition, r."offset")
          = (d.topic, d.generation, d.partition, d."offset"))
