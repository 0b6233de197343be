-- Sendings that are known not to have arrived. One array per column of the key.
DELETE FROM dead_letter_replays r
USING unnest($1::text[], $2::int[], $3::int[], $4::bigint[], $5::int[])
      AS n (topic, generation, partition, "offset", attempt)
WHERE (r.topic, r.generation, r.partition, r."offset", r.attempt)
    = (n.topic, n.generation, n.partition, n."offset", n.attempt)
  AND r.state = 'replaying'
