-- Deletes the sketches of the day $1 of the time zone $2, or, if $3, only counts them.
WITH gone AS (
    DELETE FROM subscriber_sketches
    WHERE NOT $3 AND business_day = $1 AND business_timezone = $2
    RETURNING 1
)
SELECT CASE WHEN $3 THEN (SELECT COUNT(*) FROM subscriber_sketches WHERE business_day = $1 AND business_timezone = $2)
            ELSE (SELECT COUNT(*) FROM gone) END
