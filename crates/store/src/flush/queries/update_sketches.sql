-- The rows are locked by lock_sketches.sql. Arrays as there, then one per column.
UPDATE subscriber_sketches AS s
SET events_by_subscriber_id = n.events_by_subscriber_id,
    events_by_msisdn = n.events_by_msisdn,
    sketch = n.sketch,
    sketch_crc = n.sketch_crc,
    updated_at = now()
FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[])
     AS n (business_day, business_timezone, event_type, region,
           events_by_subscriber_id, events_by_msisdn, sketch, sketch_crc)
WHERE (s.business_day, s.business_timezone, s.event_type, s.region)
    = (n.business_day, n.business_timezone, n.event_type, n.region)
