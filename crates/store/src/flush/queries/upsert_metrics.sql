-- Arrays are sorted by key and hold each key once. The contract's DOUBLE columns are set from the
-- exact sums in the same statement (I-5). $1 window starts, $2 event types, $3 regions, $4 counts,
-- $5 seconds, $6 MB and $7 tenge as decimal text.
INSERT INTO real_time_metrics AS m (
    window_start, window_end, event_type, region, event_count, total_duration,
    exact_data_mb, exact_amount, total_data_mb, total_amount, processed_at, own
)
SELECT n.window_start, n.window_start + INTERVAL '1 minute', n.event_type, n.region,
       n.event_count, n.total_duration, n.data_mb::numeric, n.amount::numeric,
       n.data_mb::numeric::double precision, n.amount::numeric::double precision, now(), true
FROM unnest($1::timestamp[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
     AS n (window_start, event_type, region, event_count, total_duration, data_mb, amount)
ON CONFLICT (window_start, event_type, region) WHERE own DO UPDATE
SET event_count = m.event_count + EXCLUDED.event_count,
    total_duration = m.total_duration + EXCLUDED.total_duration,
    exact_data_mb = m.exact_data_mb + EXCLUDED.exact_data_mb,
    exact_amount = m.exact_amount + EXCLUDED.exact_amount,
    total_data_mb = (m.exact_data_mb + EXCLUDED.exact_data_mb)::double precision,
    total_amount = (m.exact_amount + EXCLUDED.exact_amount)::double precision,
    processed_at = EXCLUDED.processed_at
