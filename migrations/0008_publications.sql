-- Every table that is updated or deleted from can be part of a publication: FOR ALL TABLES, as change
-- data capture and logical replication set it up. Without a replica identity PostgreSQL refuses every
-- UPDATE and DELETE of a published table.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (8, 6);

-- In the order in which a flush takes them, and all before anything is changed: who waits here holds
-- nothing that a flush waits for.
LOCK TABLE stream_progress, real_time_metrics, daily_stats IN ACCESS EXCLUSIVE MODE;

-- Its unique key has no NULLs, so it can serve as a primary key does.
ALTER TABLE daily_stats REPLICA IDENTITY USING INDEX daily_stats_date_event_type_region_key;
-- Its unique index is partial (WHERE own), which can't name a row to a subscriber; all columns can.
-- This costs write-ahead log only where wal_level is logical.
ALTER TABLE real_time_metrics REPLICA IDENTITY FULL;

-- Why no flush of this partition can be stored until somebody mends the database, and when that was
-- found. The reason counts while it is not older than updated_at: a flush that is stored ends it.
ALTER TABLE stream_progress
    ADD COLUMN flush_blocked TEXT,
    ADD COLUMN flush_blocked_at TIMESTAMP;
