-- What was learned of each series.
SELECT region, event_type, notes
FROM detector_notes
