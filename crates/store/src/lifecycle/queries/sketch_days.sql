-- Days up to the date $1 that have sketches of subscribers.
SELECT DISTINCT business_day, business_timezone
FROM subscriber_sketches
WHERE business_day <= $1
ORDER BY business_day, business_timezone
