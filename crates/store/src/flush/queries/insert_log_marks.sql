-- A partition's rows are written by whoever holds its lock in stream_progress.
-- $1 topic; then one array per column.
INSERT INTO log_marks (
    topic, generation, partition, "offset", quarter_start, max_event_time, watermark,
    on_time, late, watermark_delay_us
)
SELECT $1, n.*
FROM unnest($2::int[], $3::int[], $4::bigint[], $5::timestamp[], $6::timestamp[], $7::timestamp[],
            $8::bigint[], $9::bigint[], $10::bigint[]) AS n
