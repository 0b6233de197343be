-- A letter of the erasure $2, or one whose row is gone and whose corrected payload holds one of the forms $1, of which
-- nobody knows yet whether it was sent.
SELECT r.topic, r.generation, r.partition, r."offset"
FROM dead_letter_replays r
WHERE r.state = 'replaying'
  AND (EXISTS (
           SELECT FROM dead_letters d
           WHERE (d.topic, d.generation, d.partition, d."offset")
               = (r.topic, r.generation, r.partition, r."offset") AND d.erasure = $2)
       OR EXISTS (
           SELECT FROM unnest($1::bytea[]) AS form
           WHERE strpos(lower(encode(r.corrected_payload, 'escape')), lower(encode(form, 'escape'))) > 0))
ORDER BY r.topic, r.generation, r.partition, r."offset"
LIMIT 1
