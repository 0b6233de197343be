-- What the detector of unusual traffic has learned of each series: how much it scatters, in how long waves, its
-- level, and how far its usual extremes reach. It changes together with `anomalies` and `detector_progress`. Lost or
-- deleted, it is learned again, with thresholds that are half as high again until five days are learned.
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
