-- The rows are locked. Those of a topic that goes on under another name do not count any more for what is complete.
-- $1 topic; $2 partitions of which something will never come, $3 how much; $4 whether the topic gets another name.
UPDATE stream_progress p
SET gap = p.gap + COALESCE(lost.offsets, 0),
    next_offset = p.next_offset + COALESCE(lost.offsets, 0),
    epoch = p.epoch + 1,
    halted_reason = NULL,
    retired_at = CASE WHEN $4 THEN COALESCE(p.retired_at, now()) ELSE p.retired_at END,
    updated_at = now()
FROM (
    SELECT r.generation, r.partition,
           r.generation = MAX(r.generation) OVER (PARTITION BY r.partition) AS is_newest
    FROM stream_progress r
    WHERE r.topic = $1
) r
LEFT JOIN unnest($2::int[], $3::bigint[]) AS lost (partition, offsets)
    ON lost.partition = r.partition AND r.is_newest
WHERE p.topic = $1 AND (p.generation, p.partition) = (r.generation, r.partition)
  AND (r.is_newest OR $4)
