-- How far each partition that is being read has come: its highest generation, unless an operator
-- has taken it out.
SELECT topic, generation, partition, watermark, caught_up_at, halted_reason
FROM (
    SELECT DISTINCT ON (topic, partition) *
    FROM stream_progress
    ORDER BY topic, partition, generation DESC
) AS newest
WHERE retired_at IS NULL
ORDER BY topic, partition
