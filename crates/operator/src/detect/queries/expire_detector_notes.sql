-- Series that had no event for longer than history is looked at.
DELETE FROM detector_notes
WHERE judged_through < $1::timestamp - INTERVAL '8 weeks'
