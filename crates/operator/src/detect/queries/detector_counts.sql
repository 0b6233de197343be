-- Events of each region and type in windows of $3 seconds, by the window's number since 1970: of those that begin in one
-- of the ranges [$1[i], $2[i]), which don't overlap. Names come from events: only the $4 largest series are read.
-- Rows that others inserted count like ours; the name ALL is the country's. What they come to, in seconds and in
-- hundredths of a megabyte and of a tenge, is held between 0 and what a bigint takes: theirs may be NaN, or anything.
WITH counts AS (
    SELECT floor(extract(epoch FROM m.window_start) / $3)::bigint AS number, m.region, m.event_type,
           SUM(m.event_count)::bigint AS events,
           LEAST(GREATEST(COALESCE(SUM(m.total_duration), 0), 0), 9e15)::bigint AS seconds,
           LEAST(GREATEST(COALESCE(SUM(100 * m.total_data_mb), 0), 0), 9e15)::bigint AS megabyte_hundredths,
           LEAST(GREATEST(COALESCE(SUM(100 * m.total_amount), 0), 0), 9e15)::bigint AS tenge_hundredths
    FROM unnest($1::timestamp[], $2::timestamp[]) AS span (start, until)
    JOIN real_time_metrics m ON m.window_start >= span.start AND m.window_start < span.until
    WHERE m.event_count > 0 AND m.event_type IS NOT NULL AND m.region <> 'ALL'
    GROUP BY number, m.region, m.event_type
), largest AS (
    SELECT region, event_type
    FROM counts
    GROUP BY region, event_type
    ORDER BY SUM(events) DESC, region, event_type
    LIMIT $4
)
SELECT number, region, event_type, events, seconds, megabyte_hundredths, tenge_hundredths
FROM counts JOIN largest USING (region, event_type)
