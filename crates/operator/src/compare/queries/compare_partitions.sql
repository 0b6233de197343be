-- What is known of a topic's partitions: of the newest life of each how far it has come, and of all its lives how many
-- events were counted. Retired ones too: they were mirrored as long as they were in service. $1 the topic.
SELECT DISTINCT ON (partition)
       partition, watermark, complete_through,
       TIMESTAMP 'epoch' + witness_timestamp_ms * INTERVAL '1 millisecond' AS last_record_at,
       (SUM(on_time + late) OVER (PARTITION BY partition))::bigint AS events
FROM stream_progress
WHERE topic = $1
ORDER BY partition, generation DESC
