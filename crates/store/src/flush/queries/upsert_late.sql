-- As upsert_metrics.sql, for events whose window had closed. Arrays are sorted by key and hold each key once. The contract's
-- DOUBLE columns are set from the exact sums in the same statement (I-5). $1 window starts, $2 event types, $3 regions,
-- $4 counts, $5 and on the figures, as decimal text.
INSERT INTO late_metrics AS m (
    window_start, window_end, event_type, region, event_count,
    {<exact column>}, {rounded: <column>}, processed_at
)
SELECT n.window_start, n.window_start + INTERVAL '1 minute', n.event_type, n.region, n.event_count,
       {n.<name>::numeric}, {rounded: n.<name>::numeric::double precision}, now()
FROM unnest($1::timestamp[], $2::text[], $3::text[], $4::bigint[], {<$5>::text[]})
     AS n (window_start, event_type, region, event_count, {<name>})
ON CONFLICT (window_start, event_type, region) DO UPDATE
SET event_count = m.event_count + EXCLUDED.event_count,
    {<exact column> = m.<exact column> + EXCLUDED.<exact column>},
    {rounded: <column> = (m.<exact column> + EXCLUDED.<exact column>)::double precision},
    processed_at = EXCLUDED.processed_at
