-- What is known of computed days, in order. $1, $2 first and last date; NULL: any.
SELECT date, state, stale_because, computed_at, include_late, day_start, day_end, version_now,
       final_version, minutes_expired
FROM day_states
WHERE ($1::date IS NULL OR date >= $1) AND ($2::date IS NULL OR date <= $2)
ORDER BY date
