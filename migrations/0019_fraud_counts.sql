-- Frauds as numbers, for those who may not know whom they are about: dbt and its dashboards read this and nothing in
-- `persons`. A view reads as its owner does, so whoever is given it needs no rights there. Nothing that exists is changed.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (19, 6);

CREATE VIEW fraud_counts AS
SELECT first_hit::date AS utc_date, rule, mode, state,
       count(*) AS cases, sum(alerts)::bigint AS alerts, sum(hits)::bigint AS hits
FROM persons.fraud_cases
GROUP BY first_hit::date, rule, mode, state;

COMMENT ON VIEW fraud_counts IS 'One row per UTC day, rule, mode and state: how many cases of fraud began that day. It names nobody';
COMMENT ON COLUMN fraud_counts.utc_date IS 'UTC day of the first hit, in event time';
COMMENT ON COLUMN fraud_counts.rule IS 'Name of the rule';
COMMENT ON COLUMN fraud_counts.mode IS 'shadow: nobody is to act on it; live if one alert is';
COMMENT ON COLUMN fraud_counts.state IS 'open, confirmed, dismissed, allowed or expired';
COMMENT ON COLUMN fraud_counts.cases IS 'Number of cases: of one rule and one subscriber, up to a verdict';
COMMENT ON COLUMN fraud_counts.alerts IS 'Number of their alerts, of later days as well';
COMMENT ON COLUMN fraud_counts.hits IS 'Sum of their hits, of later days as well';
