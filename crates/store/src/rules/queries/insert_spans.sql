-- $1 the rule set; $2 names and $3 versions of its rules.
INSERT INTO rule_spans (rule_set, rule, version, topic, generation, partition, from_offset)
SELECT $1, r.name, r.version, p.topic, p.generation, p.partition, p.next_offset
FROM stream_progress p
CROSS JOIN unnest($2::text[], $3::int[]) AS r (name, version)
