-- Detection has come so far.
INSERT INTO detector_progress (judged_through, series_judged, series_small, series_warming_up)
VALUES ($1, $2, $3, $4)
ON CONFLICT (only_row) DO UPDATE
SET judged_through = EXCLUDED.judged_through, series_judged = EXCLUDED.series_judged,
    series_small = EXCLUDED.series_small, series_warming_up = EXCLUDED.series_warming_up, updated_at = now()
