-- Of each partition in service: how many of its last offsets hold a record that the future guard refused.
SELECT p.topic, p.partition, COUNT(*)
FROM current_progress AS p
JOIN dead_letters AS d
  ON (d.topic, d.generation, d.partition) = (p.topic, p.generation, p.partition)
     AND d."offset" >= p.next_offset - $1
WHERE d.reason = 'timestamp_in_future'
GROUP BY p.topic, p.partition
