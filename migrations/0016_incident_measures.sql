-- What an incident says beside its count: what of the series is unusual, and what else moved. Programs that don't know
-- these columns go on: an incident of theirs is one of events.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (16, 6);

ALTER TABLE anomalies
    ADD COLUMN measure      TEXT NOT NULL DEFAULT 'events' CHECK (measure IN ('events', 'minutes', 'megabytes', 'tenge')),
    -- [{"region": …, "event_type": …, "measure": …, "observed": …, "expected": …}, …] of the worst window
    ADD COLUMN also_moved   JSONB NOT NULL DEFAULT '[]';
COMMENT ON COLUMN anomalies.measure IS 'What is unusual: the number of events, or the minutes, megabytes or tenge that they come to';
COMMENT ON COLUMN anomalies.also_moved IS 'What else was far from what was expected in the worst window, of the same type or in the same region: five at most';
COMMENT ON COLUMN anomalies.peak_observed IS 'What came in the worst window, in the unit of measure; of a series that is too small, in an hour';
