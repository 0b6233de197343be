-- Every offset between a partition's first and its position is counted exactly once (I-1).
-- $1 lines to answer.
SELECT 'offsets accounted for' AS what,
       format('%s partition %s (generation %s)', topic, partition, generation) AS place,
       passed::text AS expected, counted::text AS found, COUNT(*) OVER () AS total
FROM (
    SELECT topic, generation, partition,
           next_offset::numeric - first_offset AS passed,
           on_time::numeric + late + dead + gap + skipped AS counted
    FROM stream_progress
) AS progress
WHERE passed <> counted
ORDER BY topic, partition, generation
LIMIT $1
