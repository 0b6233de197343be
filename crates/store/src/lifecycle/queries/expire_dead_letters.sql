-- Empties letters that were stored before $1; $2 at most (NULL: all). If $3, only counts them. A letter's row stays: its offset is what the
-- accounting and a second reading of the log need. One of which nobody knows yet whether it was sent again is left alone.
WITH old AS (
    SELECT topic, generation, partition, "offset"
    FROM dead_letters d
    WHERE stored_at < $1 AND erasure IS NULL
      AND NOT EXISTS (
          SELECT FROM dead_letter_replays r
          WHERE (r.topic, r.generation, r.partition, r."offset")
              = (d.topic, d.generation, d.partition, d."offset") AND r.state = 'replaying')
    ORDER BY stored_at
    LIMIT $2
), emptied AS (
    UPDATE dead_letters d
    SET key = NULL, payload = NULL, headers = NULL, erasure = 0, detail = 'expired: it was old'
    FROM old
    WHERE NOT $3 AND (d.topic, d.generation, d.partition, d."offset")
        = (old.topic, old.generation, old.partition, old."offset")
    RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM old) ELSE (SELECT COUNT(*) FROM emptied) END
