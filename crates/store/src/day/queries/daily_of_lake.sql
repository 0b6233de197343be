-- What a day is made of, read by daily_insert.sql: the sums that a lake has of it, and what others have inserted, which no lake
-- has. $1 date; $2, $3 the day's half-open bounds in UTC; $4 to $9 one array per column, MB and tenge as text.
WITH counted AS (
    SELECT event_type, region, events, true AS own, {<name>::numeric AS <name>}
    FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[])
        AS lake (event_type, region, events, {<name>})
    UNION ALL
    SELECT event_type, region, events, false, {<name>}
    FROM minute_figures
    WHERE NOT own AND window_start >= $2 AND window_start < $3
),
