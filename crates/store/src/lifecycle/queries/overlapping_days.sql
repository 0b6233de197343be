-- Computed days that share a moment with [$3, $4), in UTC, as they were bounded when they were computed. $1, $2 the first and last
-- date that can: a date is nowhere more than two days away from its moments. `events` is what daily_stats has of the day.
SELECT date, state, stale_because, day_start, day_end, version,
       (SELECT COALESCE(SUM(total_events), 0)::bigint FROM daily_stats AS d
        WHERE d.date = day_states.date AND d.region = 'ALL' AND d.event_type <> 'most_active') AS events
FROM day_states
WHERE date >= $1 AND date <= $2 AND day_start < $4 AND day_end > $3
ORDER BY date
