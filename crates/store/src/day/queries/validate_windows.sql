-- The day's windows as they are, one by one, for adding up outside the database. $1, $2 the day's
-- half-open bounds in UTC; $3 whether late events are part of the day.
SELECT event_type, region, events, own, {<name>::text AS <name>}, {rounded: shown_<name>}
FROM minute_figures
WHERE window_start >= $1 AND window_start < $2 AND ($3 OR NOT is_late)
