-- $1 date; then one array per column. MB / 1024 / 1024 was divided by a power of two, so that
-- multiplying gives the sum of MB again, to the last bit.
UPDATE daily_stats AS d
SET distinct_subscribers = n.subscribers,
    avg_data_per_user_mb = d.total_data_tb * 1048576 / NULLIF(n.subscribers, 0)
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS n (event_type, region, subscribers)
WHERE d.date = $1 AND (d.event_type, d.region) = (n.event_type, n.region)
