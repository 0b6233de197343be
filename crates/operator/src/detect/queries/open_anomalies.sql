-- Incidents that go on, the worst first; at most $1.
SELECT region, event_type, measure, direction, first_window, opened_at, last_window, closed_at, calm_windows,
       peak_observed, peak_expected, peak_score, also_moved::text AS also_moved
FROM anomalies
WHERE closed_at IS NULL
ORDER BY abs(peak_score) DESC, region, event_type
LIMIT $1
