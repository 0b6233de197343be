-- A partition has as many dead letters as it counted, in both directions. $1 lines to answer.
WITH letters AS (
    SELECT topic, generation, partition, COUNT(*) AS dead
    FROM dead_letters
    GROUP BY topic, generation, partition
)
SELECT 'rows of dead_letters' AS what,
       format('%s partition %s (generation %s)', topic, partition, generation) AS place,
       COALESCE(progress.dead, 0)::text AS expected, COALESCE(letters.dead, 0)::text AS found,
       COUNT(*) OVER () AS total
FROM stream_progress AS progress
FULL JOIN letters USING (topic, generation, partition)
WHERE COALESCE(progress.dead, 0) <> COALESCE(letters.dead, 0)
ORDER BY topic, partition, generation
LIMIT $1
