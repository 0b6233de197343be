-- $1 topic; then one array per column.
INSERT INTO pattern_gaps (
    topic, generation, partition, from_offset, to_offset, complete_after, blind_until, reason
)
SELECT $1, n.*
FROM unnest($2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::timestamp[], $7::timestamp[],
            $8::text[]) AS n
