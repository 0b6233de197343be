-- $1 business day, $2 its zone.
SELECT business_day, business_timezone, event_type, region,
       events_by_subscriber_id, events_by_msisdn, sketch, sketch_crc
FROM subscriber_sketches
WHERE business_day = $1 AND business_timezone = $2
