-- Dead letters of a topic's partitions, by the times of their records. $1 the topic; $2, $3 partitions, and before which
-- time each is looked at; $4 from which time on.
SELECT asked.partition, COUNT(letters."offset") AS letters
FROM unnest($2::int[], $3::timestamp[]) AS asked (partition, before)
LEFT JOIN dead_letters AS letters
    ON letters.topic = $1 AND letters.partition = asked.partition
    AND letters.record_timestamp >= $4 AND letters.record_timestamp < asked.before
GROUP BY asked.partition
ORDER BY asked.partition
