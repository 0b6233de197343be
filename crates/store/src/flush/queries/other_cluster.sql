-- A topic whose rows are of another cluster. $1 topic; NULL: any that is in service, also one of which something was counted and nobody
-- knows the cluster yet. $2 cluster.
SELECT p.topic, COALESCE(p.cluster_id, known.cluster_id) AS cluster_id
FROM stream_progress p
-- What is known of one partition holds for those of which nobody has said it: of some nothing will ever be counted.
CROSS JOIN LATERAL (
    SELECT MAX(k.cluster_id) AS cluster_id, SUM(k.on_time + k.late + k.dead) > 0 AS has_counted
    FROM stream_progress k
    WHERE k.topic = p.topic
      AND k.generation = (SELECT MAX(g.generation) FROM stream_progress g
                          WHERE g.topic = k.topic AND g.partition = k.partition)
) known
WHERE CASE WHEN $1::text IS NULL
           THEN p.retired_at IS NULL
                AND CASE WHEN COALESCE(p.cluster_id, known.cluster_id) IS NULL THEN known.has_counted
                         ELSE COALESCE(p.cluster_id, known.cluster_id) IS DISTINCT FROM $2 END
           ELSE p.topic = $1 AND p.cluster_id <> COALESCE($2, '') END
  AND p.generation = (SELECT MAX(g.generation) FROM stream_progress g
                      WHERE g.topic = p.topic AND g.partition = p.partition)
ORDER BY p.topic, p.partition
LIMIT 1
