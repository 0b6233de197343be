-- $1 who; then one array per column.
INSERT INTO dead_letter_replays (
    replayed_by, state, topic, generation, partition, "offset", attempt, target, target_ends,
    corrected_payload
)
SELECT $1, 'replaying', n.*
FROM unnest($2::text[], $3::int[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::jsonb[],
            $9::bytea[]) AS n
