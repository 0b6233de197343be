-- Arrays as in make_sketch_rows.sql. "C" orders as the arrays are ordered, whatever the database's
-- own collation: the rows are told apart by their place, and nothing of their keys is sent back.
SELECT events_by_subscriber_id, events_by_msisdn, sketch, sketch_crc
FROM subscriber_sketches
WHERE (business_day, business_timezone, event_type, region)
      IN (SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::text[]))
ORDER BY business_day, business_timezone COLLATE "C", event_type COLLATE "C", region COLLATE "C"
FOR UPDATE
