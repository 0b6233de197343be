-- Open cases of rules in live mode, by rule; nothing of any subscriber.
SELECT rule, COUNT(*) AS open
FROM persons.fraud_cases
WHERE state = 'open' AND mode = 'live'
GROUP BY rule
ORDER BY open DESC, rule
LIMIT $1
