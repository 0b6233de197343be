-- $1 topic, $2 partitions that it has, $3 its cluster: of another cluster's rows it is not known which partitions they have.
WITH missing AS (
    SELECT topic, generation, partition
    FROM stream_progress
    WHERE topic = $1 AND retired_at IS NULL AND halted_reason IS NULL AND partition <> ALL ($2)
      AND (cluster_id IS NULL OR cluster_id = $3)
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
