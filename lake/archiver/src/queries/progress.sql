-- How far every generation of a topic is counted. $1 topic.
SELECT generation, partition, first_offset, next_offset, on_time + late AS events, dead,
       witness_offset, witness_timestamp_ms, witness_crc,
       origin_offset, origin_timestamp_ms, origin_crc
FROM stream_progress
WHERE topic = $1
ORDER BY partition, generation
