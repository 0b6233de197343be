-- How far detection has come, and how much of what is complete it has not judged.
SELECT judged_through, series_judged, series_small, series_warming_up,
       (SELECT CASE WHEN COUNT(*) = COUNT(complete_through)
                    THEN GREATEST(0, extract(epoch FROM MIN(complete_through) - judged_through))::bigint END
        FROM current_progress) AS behind_seconds
FROM detector_progress
