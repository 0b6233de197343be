-- The figures of all minutes in one layout: of our own rows, of others' and of late ones. What adds minutes up reads this view, so that
-- where a figure comes from is said once.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (18, 6);

-- Of a row of ours a sum is the exact one. Somebody else's row has nothing but what its writer put into the columns that users
-- read, and what is missing there counts as nothing. The conditions on own, is_late and window_start reach the tables.
CREATE VIEW minute_figures AS
SELECT false AS is_late, own, window_start, event_type, region, event_count AS events,
       COALESCE(total_duration, 0) AS seconds,
       CASE WHEN own THEN exact_data_mb ELSE COALESCE(total_data_mb, 0)::numeric END AS data_mb,
       CASE WHEN own THEN exact_amount  ELSE COALESCE(total_amount, 0)::numeric END  AS amount,
       total_duration AS shown_seconds, total_data_mb AS shown_data_mb, total_amount AS shown_amount
FROM real_time_metrics
UNION ALL
SELECT true, true, window_start, event_type, region, event_count,
       total_duration, exact_data_mb, exact_amount,
       total_duration, total_data_mb, total_amount
FROM late_metrics;

COMMENT ON VIEW minute_figures IS 'Rows of real_time_metrics and late_metrics: what each adds to a sum of exact figures';
COMMENT ON COLUMN minute_figures.is_late IS 'Of late_metrics';
COMMENT ON COLUMN minute_figures.own IS 'Counted by the streamer; false: inserted by somebody else';
COMMENT ON COLUMN minute_figures.window_start IS 'Start of the minute, UTC';
COMMENT ON COLUMN minute_figures.event_type IS 'Type of event';
COMMENT ON COLUMN minute_figures.region IS 'Region';
COMMENT ON COLUMN minute_figures.events IS 'Number of events; NULL: somebody else''s row does not say';
COMMENT ON COLUMN minute_figures.seconds IS 'Seconds';
COMMENT ON COLUMN minute_figures.data_mb IS 'MB, exact';
COMMENT ON COLUMN minute_figures.amount IS 'Tenge, exact';
COMMENT ON COLUMN minute_figures.shown_seconds IS 'total_duration as it is stored';
COMMENT ON COLUMN minute_figures.shown_data_mb IS 'total_data_mb as it is stored';
COMMENT ON COLUMN minute_figures.shown_amount IS 'total_amount as it is stored';
