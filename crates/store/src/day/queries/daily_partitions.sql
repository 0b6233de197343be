-- How far each partition in service is complete, the furthest behind first.
SELECT topic, generation, partition, complete_through, watermark, caught_up_at, halted_reason,
       owner, updated_at
FROM current_progress
ORDER BY complete_through ASC NULLS FIRST, topic, partition
