-- The newest first. Of each payload only the beginning: $7 bytes.
-- $1 reason, $2 topic, $3 partition, $4 stored at or after, $5 stored before (NULL: any), $6 limit.
SELECT d.topic, d.generation, d.partition, d."offset", d.reason, d.detail, d.stored_at,
       substring(d.payload FROM 1 FOR $7) AS payload_start,
       octet_length(d.payload)::bigint AS payload_bytes, d.erasure,
       r.attempt, r.state
FROM dead_letters d
LEFT JOIN LATERAL (
    SELECT attempt, state FROM dead_letter_replays r
    WHERE (r.topic, r.generation, r.partition, r."offset")
        = (d.topic, d.generation, d.partition, d."offset")
    ORDER BY attempt DESC LIMIT 1
) r ON true
WHERE ($1::text IS NULL OR d.reason = $1)
  AND ($2::text IS NULL OR d.topic = $2)
  AND ($3::int IS NULL OR d.partition = $3)
  AND ($4::timestamp IS NULL OR d.stored_at >= $4)
  AND ($5::timestamp IS NULL OR d.stored_at < $5)
ORDER BY d.stored_at DESC, d.topic, d.generation, d.partition, d."offset" DESC
LIMIT $6
