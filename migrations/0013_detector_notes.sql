-- What the detector of unusual traffic has learned of each series: how much it scatters, in how long waves, its
-- level, and how far its usual extremes reach. It changes together with `anomalies` and `detector_progress`. Lost or
-- deleted, it is learned again, with thresholds that are half as high again until five days are learned.
-- And what an incident says beside its count: what of the series is unusual, and what else moved. Programs that don't
-- know these columns go on: an incident of theirs is one of events.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (13, 6);

CREATE TABLE detector_notes (
    region              VARCHAR(100) NOT NULL,
    event_type          VARCHAR(50) NOT NULL,
    -- As crates/anomaly writes it; for nobody else to change.
    notes               JSONB NOT NULL,
    judged_through      TIMESTAMP NOT NULL,         -- every window that ends by then is in them
    PRIMARY KEY (region, event_type)
);
COMMENT ON TABLE detector_notes IS 'One row per region and event type: what the detector of unusual traffic has learned of it';
COMMENT ON COLUMN detector_notes.region IS 'Region; ALL: the whole country';
COMMENT ON COLUMN detector_notes.event_type IS 'Type of event';
COMMENT ON COLUMN detector_notes.notes IS 'As the detector writes it; nobody else changes it';
COMMENT ON COLUMN detector_notes.judged_through IS 'Every window that ends by then is in them, UTC';

ALTER TABLE anomalies
    ADD COLUMN measure      TEXT NOT NULL DEFAULT 'events' CHECK (measure IN ('events', 'minutes', 'megabytes', 'tenge')),
    -- [{"region": …, "event_type": …, "measure": …, "observed": …, "expected": …}, …] of the worst window
    ADD COLUMN also_moved   JSONB NOT NULL DEFAULT '[]';
COMMENT ON COLUMN anomalies.measure IS 'What is unusual: the number of events, or the minutes, megabytes or tenge that they come to';
COMMENT ON COLUMN anomalies.also_moved IS 'What else was far from what was expected in the worst window, of the same type or in the same region: five at most';
COMMENT ON COLUMN anomalies.peak_observed IS 'What came in the worst window, in the unit of measure; of a series that is too small, in an hour';
