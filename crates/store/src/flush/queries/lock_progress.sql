-- Step 1 of every flush. $1 topic, $2 generations, $3 partitions, $4 cluster. A row of another cluster is as if it
-- were not there: its part is fenced, whatever else it looks like. So is one that nobody has said it of, when the topic is of
-- another.
SELECT generation, partition, next_offset, epoch,
       witness_offset, witness_timestamp_ms, witness_crc,
       on_time, late, dead, gap, skipped
FROM stream_progress
WHERE topic = $1
  AND (generation, partition) IN (SELECT * FROM unnest($2::int[], $3::int[]))
  AND (cluster_id = $4
       OR cluster_id IS NULL
          AND NOT EXISTS (
              SELECT FROM stream_progress k
              WHERE k.topic = $1 AND k.cluster_id <> COALESCE($4, '')
                AND k.generation = (SELECT MAX(g.generation) FROM stream_progress g
                                    WHERE g.topic = k.topic AND g.partition = k.partition)))
ORDER BY topic, generation, partition
FOR UPDATE
