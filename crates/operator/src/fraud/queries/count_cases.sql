SELECT rule, mode, count(*) AS cases,
       count(*) FILTER (WHERE state = 'open') AS open,
       count(*) FILTER (WHERE state = 'confirmed') AS confirmed,
       count(*) FILTER (WHERE state = 'dismissed') AS dismissed,
       count(*) FILTER (WHERE state = 'expired') AS expired,
       count(*) FILTER (WHERE state = 'allowed') AS allowed
FROM persons.fraud_cases
GROUP BY rule, mode
ORDER BY rule, mode
