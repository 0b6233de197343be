-- What programs without rules have moved over while rules were on. From now on nobody could tell: patterns_through
-- becomes the position.
-- $1 topic, $2 partition; NULL: all.
WITH newest AS (
    SELECT id FROM rule_sets WHERE id = (SELECT max(id) FROM rule_sets) AND rules IS NOT NULL
)
INSERT INTO pattern_gaps (topic, generation, partition, from_offset, to_offset, reason)
SELECT p.topic, p.generation, p.partition, b.began, p.next_offset, 'not_judged'
FROM newest
CROSS JOIN stream_progress p
CROSS JOIN LATERAL (
    SELECT GREATEST(
        p.patterns_through,
        COALESCE(
            (SELECT min(s.from_offset) FROM rule_spans s
             WHERE s.rule_set = newest.id
               AND (s.topic, s.generation, s.partition) = (p.topic, p.generation, p.partition)),
            p.first_offset),
        p.first_offset) AS began
) AS b
WHERE ($1::text IS NULL OR (p.topic, p.partition) = ($1, $2::int))
  AND b.began < p.next_offset
  AND NOT EXISTS (
      SELECT FROM pattern_gaps g
      WHERE (g.topic, g.generation, g.partition) = (p.topic, p.generation, p.partition)
        AND g.reason = 'off' AND g.to_offset IS NULL)
ORDER BY p.topic, p.generation, p.partition
