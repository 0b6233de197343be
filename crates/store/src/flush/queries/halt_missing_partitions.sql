-- $1 topic, $2 partitions that it has, $3 its cluster: which partitions another cluster's topic has is not known, nor as long as nobody
-- knows whose rows these are, though one could.
WITH missing AS (
    SELECT topic, generation, partition
    FROM stream_progress
    WHERE topic = $1 AND retired_at IS NULL AND halted_reason IS NULL AND partition <> ALL ($2)
      AND (cluster_id = $3
           OR cluster_id IS NULL
              AND (EXISTS (SELECT FROM stream_progress k WHERE k.topic = $1 AND k.cluster_id = $3)
                   OR NOT EXISTS (SELECT FROM stream_progress k
                                  WHERE k.topic = $1 AND (k.cluster_id IS NOT NULL OR k.witness_offset IS NOT NULL))))
    ORDER BY topic, generation, partition
    FOR UPDATE
)
UPDATE stream_progress p
SET halted_reason = format(
        'the topic has no partition %s any more: lost are the offsets from %s to before %s; '
        '`streamer retire` takes it out', p.partition, p.next_offset,
        GREATEST(p.next_offset, p.log_end_seen)),
    updated_at = now()
FROM missing m
WHERE (p.topic, p.generation, p.partition) = (m.topic, m.generation, m.partition)
  -- A sealed generation waits for nobody.
  AND p.generation = (SELECT MAX(g.generation) FROM stream_progress g
                      WHERE g.topic = p.topic AND g.partition = p.partition)
