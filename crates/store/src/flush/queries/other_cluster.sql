-- A topic whose rows are of another cluster. $1 topic; NULL: any that is in service, also one of which nobody knows the cluster yet.
-- $2 cluster.
SELECT p.topic, p.cluster_id
FROM stream_progress p
WHERE CASE WHEN $1::text IS NULL THEN p.retired_at IS NULL AND p.cluster_id IS DISTINCT FROM $2
           ELSE p.topic = $1 AND p.cluster_id <> COALESCE($2, '') END
  AND p.generation = (SELECT MAX(g.generation) FROM stream_progress g
                      WHERE g.topic = p.topic AND g.partition = p.partition)
ORDER BY p.topic, p.partition
LIMIT 1
