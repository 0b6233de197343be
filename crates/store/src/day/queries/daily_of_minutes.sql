-- What a day is made of, read by daily_insert.sql: its windows. $1 date; $2, $3 the day's half-open bounds in UTC; $4
-- whether late events are part of the day.
WITH counted AS (
    SELECT event_type, region, events, own, {<name>}
    FROM minute_figures
    WHERE window_start >= $2 AND window_start < $3 AND ($4 OR NOT is_late)
),
