-- Of each partition in service: how many of its last offsets hold a record that the future guard refused within the
-- hour. By the primary key from its end, however many letters there are; letters are never deleted.
SELECT p.topic, p.partition, l.refused
FROM current_progress AS p
CROSS JOIN LATERAL (
    SELECT COUNT(*) FILTER (WHERE reason = 'timestamp_in_future' AND stored_at >= now() - INTERVAL '1 hour') AS refused
    FROM (
        SELECT reason, stored_at
        FROM dead_letters AS d
        WHERE d.topic = p.topic AND d.generation = p.generation AND d.partition = p.partition
          AND d."offset" >= p.next_offset - $1
        ORDER BY d."offset" DESC
        LIMIT $1
    ) AS latest
) AS l
WHERE l.refused > 0
