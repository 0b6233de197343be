-- $1 topic, $2 partitions, $3 their first offsets, $4 cluster, $5 whether the topic has rows. Of those of a topic that an older
-- program has met nobody knows the cluster: whoever finds their last records says it, and no start. Until then a partition that is
-- new gets no row: on another cluster it begins elsewhere.
INSERT INTO stream_progress
    (topic, generation, partition, first_offset, next_offset, complete_through, cluster_id)
SELECT $1, 0, n.partition, n.first_offset, n.first_offset,
       (SELECT c.complete_through FROM completeness c WHERE c.topic = $1),
       -- That none is of another one was looked at before.
       CASE WHEN NOT $5 OR EXISTS (SELECT FROM stream_progress k WHERE k.topic = $1 AND k.cluster_id = $4) THEN $4 END
FROM unnest($2::int[], $3::bigint[]) AS n (partition, first_offset)
WHERE NOT EXISTS (SELECT FROM stream_progress p
                  WHERE p.topic = $1 AND p.partition = n.partition)
  AND (EXISTS (SELECT FROM stream_progress k WHERE k.topic = $1 AND k.cluster_id = $4)
       OR NOT EXISTS (SELECT FROM stream_progress k
                      WHERE k.topic = $1 AND k.witness_offset IS NOT NULL AND k.retired_at IS NULL))
