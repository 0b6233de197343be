-- Where detection stands: how far it has judged, how far all partitions are complete, since when minutes are counted,
-- and the settings' time zone.
-- complete_through is NULL while nothing is known of some partition, or while there is none.
SELECT (SELECT judged_through FROM detector_progress) AS judged_through,
       (SELECT CASE WHEN COUNT(*) = COUNT(complete_through) THEN MIN(complete_through) END
        FROM current_progress) AS complete_through,
       (SELECT MIN(window_start) FROM real_time_metrics) AS begins,
       (SELECT business_timezone FROM settings) AS business_timezone
