-- What was learned of each series.
SELECT region, event_type, notes::text AS notes
FROM detector_notes
