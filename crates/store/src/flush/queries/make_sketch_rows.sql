-- Rows of keys that are met for the first time; filled before COMMIT. Arrays are sorted by key, and
-- this is done for all keys before any row is locked: so that writers wait for each other, and don't
-- deadlock. $1 days, $2 zones, $3 event types, $4 regions.
INSERT INTO subscriber_sketches (business_day, business_timezone, event_type, region)
SELECT n.business_day, n.business_timezone, n.event_type, n.region
FROM unnest($1::date[], $2::text[], $3::text[], $4::text[])
     AS n (business_day, business_timezone, event_type, region)
ON CONFLICT DO NOTHING
