-- Only where rules are on. $1 topic, $2 partition, $3 by whom, $4 why.
WITH current AS (
    SELECT p.topic, p.generation, p.partition, p.next_offset
    FROM stream_progress p
    WHERE (p.topic, p.partition) = ($1, $2::int) AND p.retired_at IS NULL
      AND p.generation = (SELECT max(generation) FROM stream_progress WHERE (topic, partition) = ($1, $2::int))
      AND (SELECT rules IS NOT NULL FROM rule_sets ORDER BY id DESC LIMIT 1)
      AND NOT EXISTS (
          SELECT FROM pattern_gaps g
          WHERE (g.topic, g.generation, g.partition) = (p.topic, p.generation, p.partition)
            AND g.reason = 'off' AND g.to_offset IS NULL)
), raised AS (
    UPDATE stream_progress p
    SET epoch = p.epoch + 1, patterns_through = p.next_offset
    FROM current c
    WHERE (p.topic, p.generation, p.partition) = (c.topic, c.generation, c.partition)
    RETURNING p.topic, p.generation, p.partition, p.next_offset
)
INSERT INTO pattern_gaps (topic, generation, partition, from_offset, reason, put_off_by, put_off_because)
SELECT topic, generation, partition, next_offset, 'off', $3, $4 FROM raised
RETURNING from_offset
