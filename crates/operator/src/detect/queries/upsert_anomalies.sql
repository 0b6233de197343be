-- Incidents as they are now: one row each, whether it is new or known.
INSERT INTO anomalies AS known (region, event_type, direction, first_window, opened_at, last_window, closed_at,
                                calm_windows, peak_observed, peak_expected, peak_score, measure, also_moved)
SELECT region, event_type, direction, first_window, opened_at, last_window, closed_at, calm_windows, peak_observed,
       peak_expected, peak_score, measure, also_moved::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamp[], $5::timestamp[], $6::timestamp[], $7::timestamp[],
            $8::integer[], $9::bigint[], $10::double precision[], $11::double precision[], $12::text[], $13::text[])
    AS incidents (region, event_type, direction, first_window, opened_at, last_window, closed_at, calm_windows,
                  peak_observed, peak_expected, peak_score, measure, also_moved)
ON CONFLICT (region, event_type, direction, first_window) DO UPDATE
SET last_window = EXCLUDED.last_window, closed_at = EXCLUDED.closed_at, calm_windows = EXCLUDED.calm_windows,
    peak_observed = EXCLUDED.peak_observed, peak_expected = EXCLUDED.peak_expected,
    peak_score = EXCLUDED.peak_score, measure = EXCLUDED.measure, also_moved = EXCLUDED.also_moved,
    updated_at = now()
