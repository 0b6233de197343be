-- Partitions whose rules were off are judged again from their positions on.
UPDATE pattern_gaps g
SET to_offset = p.next_offset
FROM stream_progress p
WHERE (g.topic, g.generation, g.partition) = (p.topic, p.generation, p.partition)
  AND g.reason = 'off' AND g.to_offset IS NULL
