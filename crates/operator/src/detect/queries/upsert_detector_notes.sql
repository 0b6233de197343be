-- What was learned of these series by $4.
INSERT INTO detector_notes (region, event_type, notes, judged_through)
SELECT region, event_type, notes, $4
FROM unnest($1::text[], $2::text[], $3::text[]) AS learned (region, event_type, notes)
ON CONFLICT (region, event_type) DO UPDATE
SET notes = EXCLUDED.notes, judged_through = EXCLUDED.judged_through
