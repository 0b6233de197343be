-- Empties the letters that hold one of the forms $1, whatever its case, or that were sent again with a payload that holds
-- one; $2 the erasure. `encode(…, 'escape')` makes a text of any bytes, so that both sides are compared alike.
UPDATE dead_letters d
SET key = NULL, payload = NULL, headers = NULL, erasure = $2,
    detail = 'erased: it held the identifier of a person who was erased'
WHERE d.erasure IS NULL
  AND EXISTS (
      SELECT FROM unnest($1::bytea[]) AS form, lower(encode(form, 'escape')) AS needle
      WHERE strpos(lower(encode(d.payload, 'escape')), needle) > 0
         OR strpos(lower(encode(d.key, 'escape')), needle) > 0
         OR strpos(lower(encode(convert_to(d.detail, 'UTF8'), 'escape')), needle) > 0
         OR EXISTS (
             SELECT FROM jsonb_array_elements(d.headers) AS header
             WHERE strpos(lower(encode(decode(header ->> 1, 'hex'), 'escape')), needle) > 0
                OR strpos(lower(encode(convert_to(header ->> 0, 'UTF8'), 'escape')), needle) > 0)
         OR EXISTS (
             SELECT FROM dead_letter_replays r
             WHERE (r.topic, r.generation, r.partition, r."offset")
                 = (d.topic, d.generation, d.partition, d."offset")
               AND strpos(lower(encode(r.corrected_payload, 'escape')), needle) > 0))
