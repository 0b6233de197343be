-- Locked in the flush's order. $1 topic, $2 partition; NULL: all of them.
WITH chosen AS (
    SELECT topic, generation, partition
    FROM stream_progress
    WHERE topic = $1 AND ($2::int IS NULL OR partition = $2) AND retired_at IS NULL
    ORDER BY topic, generation, partition
    FOR UPDATE
)
UPDATE stream_progress p
SET retired_at = now(), epoch = p.epoch + 1, updated_at = now()
FROM chosen c
WHERE (p.topic, p.generation, p.partition) = (c.topic, c.generation, c.partition)
