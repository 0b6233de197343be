-- Deletes entries that had ended before $1; $2 at most (NULL: all). If $3, only counts them.
WITH old AS (
    SELECT id FROM persons.allowlist WHERE allowed_until < $1 LIMIT $2
), gone AS (
    DELETE FROM persons.allowlist WHERE NOT $3 AND id IN (SELECT id FROM old) RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM old) ELSE (SELECT COUNT(*) FROM gone) END
