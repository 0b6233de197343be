-- One array per column of the key.
UPDATE dead_letter_replays r
SET state = 'replayed', replayed_at = now()
FROM unnest($1::text[], $2::int[], $3::int[], $4::bigint[], $5::int[])
     AS n (topic, generation, partition, "offset", attempt)
WHERE (r.topic, r.generation, r.partition, r."offset", r.attempt)
    = (n.topic, n.generation, n.partition, n."offset", n.attempt)
  AND r.state = 'replaying'
