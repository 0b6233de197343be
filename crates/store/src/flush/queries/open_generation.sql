-- The next life of a partition: fresh counters and watermark; completeness never goes back.
-- $1 topic, $2 sealed generation, $3 partition, $4 first offset, $5 group, $6 owner,
-- $7 cluster: an operator has said that its log is to be read.
INSERT INTO stream_progress (
    topic, generation, partition, first_offset, next_offset, complete_through, group_id, owner,
    cluster_id
)
SELECT topic, generation + 1, partition, $4, $4, complete_through, $5, $6, $7
FROM stream_progress
WHERE topic = $1 AND generation = $2 AND partition = $3
