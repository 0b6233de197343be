-- Deletes scores of days that had ended before $1; $2 at most (NULL: all). If $3, only counts them.
WITH old AS (
    SELECT score_date, subscriber_id FROM persons.churn_scores WHERE score_date + 1 <= $1 LIMIT $2
), gone AS (
    DELETE FROM persons.churn_scores s
    USING old
    WHERE NOT $3 AND (s.score_date, s.subscriber_id) = (old.score_date, old.subscriber_id)
    RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM old) ELSE (SELECT COUNT(*) FROM gone) END
