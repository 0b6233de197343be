-- Deletes verdicts of before $1 whose alerts are gone; $2 at most (NULL: all). If $3, only counts them. As long as an alert is there that
-- it decides about, a verdict stays: without it the case would be open again. Alerts of cases of before $4 count as gone (NULL: none).
WITH old AS (
    SELECT id
    FROM persons.verdicts v
    WHERE decided_at < $1
      AND NOT EXISTS (
          SELECT FROM persons.alerts a
          WHERE a.subscriber_id = v.subscriber_id AND a.rule = v.rule AND a.id <= v.through_alert
            AND NOT EXISTS (
                SELECT FROM persons.fraud_cases c
                WHERE $4::timestamp IS NOT NULL AND c.subscriber_id = a.subscriber_id AND c.rule = a.rule
                  AND a.id BETWEEN c.id AND c.through_alert AND c.state <> 'open' AND c.updated_at < $4))
    LIMIT $2
), gone AS (
    DELETE FROM persons.verdicts WHERE NOT $3 AND id IN (SELECT id FROM old) RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM old) ELSE (SELECT COUNT(*) FROM gone) END
