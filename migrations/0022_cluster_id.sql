-- Of which Kafka cluster each row of stream_progress is. The same topic under the same name on another cluster (a mirror) has
-- other offsets: a streamer that is sent there by mistake, or by a failover, must not go on by these.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (22, 6);

-- In the order of a flush, and at once.
LOCK TABLE stream_progress, gaps IN ACCESS EXCLUSIVE MODE;

-- The cluster's own id, as its brokers tell it. Rows that exist get it from the first streamer that finds the last
-- record counted in its cluster's log; older programs leave it as it is.
ALTER TABLE stream_progress ADD COLUMN cluster_id TEXT;
COMMENT ON COLUMN stream_progress.cluster_id IS 'Kafka cluster whose log it is; NULL: written by an older program';

-- `streamer move --source-is-gone` writes down what will never come, with this cause. The table has a row for each loss.
ALTER TABLE gaps DROP CONSTRAINT gaps_cause_check;
ALTER TABLE gaps ADD CONSTRAINT gaps_cause_check
    CHECK (cause IN ('overtaken', 'truncated', 'recreated', 'unknown', 'moved'));
