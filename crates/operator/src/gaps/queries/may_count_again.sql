-- How many records of a halted partition were counted, if going on may count some of them again: no row otherwise.
-- $1 topic, $2 partition, $3 start from.
SELECT (SELECT SUM(l.on_time + l.late + l.dead)::bigint FROM stream_progress l
        WHERE l.topic = p.topic AND l.partition = p.partition) AS records
FROM current_progress p
WHERE p.topic = $1 AND p.partition = $2
  AND p.halted_reason LIKE '%`streamer accept-gap%'
  AND (
      -- Of rows of an older program nobody knows on which cluster they were counted: the log may be a copy.
      NOT EXISTS (SELECT FROM stream_progress k WHERE k.topic = p.topic AND k.cluster_id IS NOT NULL)
      -- Nothing is left to tell whether the log was cut or made again: if it was cut, what stands before the position was counted.
      OR p.halted_reason LIKE '%`streamer accept-gap --from%'
         AND CASE
                 WHEN $3 = 'earliest' THEN TRUE
                 WHEN $3 = 'latest' THEN FALSE
                 ELSE $3::bigint < p.next_offset
             END
  )
