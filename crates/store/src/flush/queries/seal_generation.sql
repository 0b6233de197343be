-- Moves the position over what is lost. The epoch rises: deltas made before must not be stored.
-- $1 topic, $2 generation, $3 partition, $4 expected position, $5 expected epoch, $6 lost up to,
-- $7 cluster.
UPDATE stream_progress
SET gap = gap + ($6 - next_offset),
    next_offset = $6,
    epoch = epoch + 1,
    halted_reason = NULL,
    updated_at = now()
WHERE topic = $1 AND generation = $2 AND partition = $3 AND next_offset = $4 AND epoch = $5
  AND (cluster_id = $7
       OR cluster_id IS NULL
          AND NOT EXISTS (
              SELECT FROM stream_progress k
              WHERE k.topic = $1 AND k.cluster_id <> COALESCE($7, '')
                AND k.generation = (SELECT MAX(g.generation) FROM stream_progress g
                                    WHERE g.topic = k.topic AND g.partition = k.partition)))
