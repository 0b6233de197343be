-- Deletes the alerts of cases that are not open and whose last hit was stored before $1; of $2 cases at most (NULL: all). If $3, only counts
-- them. A case goes as a whole: of what was left of it every figure would be wrong.
WITH old AS (
    SELECT subscriber_id, rule, id, through_alert, alerts
    FROM persons.fraud_cases
    WHERE state <> 'open' AND updated_at < $1
    LIMIT $2
), gone AS (
    DELETE FROM persons.alerts a
    USING old
    WHERE NOT $3 AND a.subscriber_id = old.subscriber_id AND a.rule = old.rule
      AND a.id BETWEEN old.id AND old.through_alert
    RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COALESCE(SUM(alerts), 0)::bigint FROM old) ELSE (SELECT COUNT(*) FROM gone) END
