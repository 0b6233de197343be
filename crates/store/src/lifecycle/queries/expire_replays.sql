-- Deletes sendings that had arrived before $1; $2 at most (NULL: all). If $3, only counts them. As long as a letter is whole, its
-- sendings stay: without them it would be sent again, and counted twice. Letters of before $4 count as emptied (NULL: none).
WITH old AS (
    SELECT topic, generation, partition, "offset", attempt
    FROM dead_letter_replays r
    WHERE r.replayed_at < $1 AND r.state = 'replayed'
      AND NOT EXISTS (
          SELECT FROM dead_letters d
          WHERE (d.topic, d.generation, d.partition, d."offset")
              = (r.topic, r.generation, r.partition, r."offset") AND d.erasure IS NULL
              AND (d.stored_at < $4) IS NOT TRUE)
    LIMIT $2
), gone AS (
    DELETE FROM dead_letter_replays r
    USING old
    WHERE NOT $3 AND (r.topic, r.generation, r.partition, r."offset", r.attempt)
        = (old.topic, old.generation, old.partition, old."offset", old.attempt)
    RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM old) ELSE (SELECT COUNT(*) FROM gone) END
