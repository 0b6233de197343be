-- $1 topic; then one array per column.
INSERT INTO dead_letters (
    topic, generation, partition, "offset", reason, detail, record_timestamp, key, payload, headers
)
SELECT $1, n.*
FROM unnest($2::int[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::timestamp[],
            $8::bytea[], $9::bytea[], $10::jsonb[]) AS n
