-- What the detector has learned is written anew for each series in each pass, and read as a whole by nobody but the
-- detector: taking the JSON apart for JSONB cost most of that. Programs that write JSONB go on: it is turned into text.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (17, 6);

ALTER TABLE detector_notes ALTER COLUMN notes TYPE TEXT;
