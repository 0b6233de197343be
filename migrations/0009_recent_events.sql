-- What a partition's newest events are like, for `streamer status` and the page: that most of them come
-- late is a fault of the senders, of the delay, or of a backfill beside live traffic, and nobody reads
-- late_metrics every day.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (9, 6);

-- Sums over about a quarter of an hour: each flush first fades what is there, by e in 15 minutes, then
-- adds its own. Estimates; nothing is computed from them.
ALTER TABLE stream_progress
    ADD COLUMN recent_at            TIMESTAMP NOT NULL DEFAULT now(),
    ADD COLUMN recent_events        DOUBLE PRECISION NOT NULL DEFAULT 0,
    ADD COLUMN recent_late          DOUBLE PRECISION NOT NULL DEFAULT 0,  -- of these, events
    ADD COLUMN recent_seconds       DOUBLE PRECISION NOT NULL DEFAULT 0,  -- durations of calls and sessions
    ADD COLUMN recent_late_seconds  DOUBLE PRECISION NOT NULL DEFAULT 0;  -- of these, seconds
