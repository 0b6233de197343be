-- Open cases of rules in live mode, those with the newest alerts first, at most $1, each with what its last alert measured.
SELECT c.id, c.rule, c.subscriber_id, c.alerts, c.hits, c.first_hit, c.updated_at, a.measures
FROM (SELECT * FROM persons.fraud_cases
      WHERE state = 'open' AND mode = 'live'
      ORDER BY updated_at DESC, id DESC LIMIT $1) AS c
JOIN persons.alerts AS a ON a.id = c.through_alert
ORDER BY c.updated_at DESC, c.id DESC
