-- Removes what was sent in place of a letter of the erasure $2, and what holds one of the forms $1.
UPDATE dead_letter_replays r
SET corrected_payload = NULL
WHERE r.corrected_payload IS NOT NULL
  AND (EXISTS (
           SELECT FROM dead_letters d
           WHERE (d.topic, d.generation, d.partition, d."offset")
               = (r.topic, r.generation, r.partition, r."offset") AND d.erasure = $2)
       OR EXISTS (
           SELECT FROM unnest($1::bytea[]) AS form
           WHERE strpos(lower(encode(r.corrected_payload, 'escape')), lower(encode(form, 'escape'))) > 0))
