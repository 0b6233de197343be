-- Only for a partition that is halted because of its log, and for the position at which it is.
-- $1 topic, $2 partition, $3 start from, $4 reason, $5 who.
INSERT INTO gaps (topic, generation, partition, position, start_from, reason, accepted_by)
SELECT p.topic, p.generation, p.partition, p.next_offset, $3, $4, $5
FROM current_progress p
WHERE p.topic = $1 AND p.partition = $2
  -- The reason itself says when a permission is the way out; other halts lose nothing.
  AND p.halted_reason LIKE '%`streamer accept-gap%'
ON CONFLICT (topic, partition) WHERE carried_out_at IS NULL DO UPDATE
SET generation = EXCLUDED.generation, position = EXCLUDED.position,
    start_from = EXCLUDED.start_from, reason = EXCLUDED.reason,
    accepted_by = EXCLUDED.accepted_by, accepted_at = now()
