-- The churn forecast (docs/churn.md): models, which name nobody, and scores, which do.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (14, 6);

-- One row per training that succeeded. The newest one scores; a training that is refused adds none.
CREATE TABLE churn_models (
    id              BIGINT    GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of           DATE      NOT NULL,     -- nothing of this day or later was known to it
    trained_at      TIMESTAMP NOT NULL DEFAULT now(),
    trained_by      TEXT      NOT NULL,
    first_day       DATE      NOT NULL,     -- the first of the days whose rows were read; the last is the one before as_of
    questions       DATE[]    NOT NULL,     -- the days whose populations and outcomes it learnt from
    data_version    BIGINT    NOT NULL,     -- version of the lake's table of subscriber-days
    key_epoch       INTEGER   NOT NULL,     -- SUBSCRIBER_KEY_EPOCH of the names
    sampled_one_of  BIGINT    NOT NULL,     -- it learnt from one of so many subscribers
    model           JSONB     NOT NULL,     -- longest_days, coefficients (feature, mean, deviation, weight), intercept, slope, shift
    metrics         JSONB     NOT NULL      -- on people whom it was not trained with: population, positives, auc, recency_auc, …
);

-- One row per subscriber and day of scoring; the newest 13 days are kept.
CREATE TABLE persons.churn_scores (
    score_date      DATE      NOT NULL,     -- T: made of the days before it
    subscriber_id   TEXT      NOT NULL,
    model           BIGINT    NOT NULL REFERENCES churn_models ON DELETE CASCADE,
    probability     REAL      NOT NULL,     -- of leaving: last active in [T+3, T+33), then silent for 30 days
    reasons         TEXT[]    NOT NULL,     -- at most three, the weightiest first
    PRIMARY KEY (score_date, subscriber_id)
);
-- What `streamer erase` looks for.
CREATE INDEX churn_scores_subscriber ON persons.churn_scores (subscriber_id);

COMMENT ON TABLE churn_models IS 'One row per model that foresees who leaves: coefficients, what it was trained on, what it is worth. The newest as_of scores';
COMMENT ON COLUMN churn_models.id IS 'Number of the model';
COMMENT ON COLUMN churn_models.as_of IS 'Nothing of this day or later was known to it';
COMMENT ON COLUMN churn_models.trained_at IS 'When, UTC';
COMMENT ON COLUMN churn_models.trained_by IS 'By whom';
COMMENT ON COLUMN churn_models.first_day IS 'First day whose rows were read';
COMMENT ON COLUMN churn_models.questions IS 'Days whose populations and outcomes it learnt from';
COMMENT ON COLUMN churn_models.data_version IS 'Version of the lake''s table of subscriber-days';
COMMENT ON COLUMN churn_models.key_epoch IS 'Epoch of the key of the subscribers'' names';
COMMENT ON COLUMN churn_models.sampled_one_of IS 'It learnt from one of so many subscribers';
COMMENT ON COLUMN churn_models.model IS 'Coefficients, intercept and calibration';
COMMENT ON COLUMN churn_models.metrics IS 'What it is worth on people whom it was not trained with';
COMMENT ON TABLE persons.churn_scores IS 'One row per subscriber and day of scoring: how likely he is to leave, and why; the newest 13 such days';
COMMENT ON COLUMN persons.churn_scores.score_date IS 'T: made of the days before it';
COMMENT ON COLUMN persons.churn_scores.subscriber_id IS 'Pseudonym of the subscriber';
COMMENT ON COLUMN persons.churn_scores.model IS 'The row of churn_models';
COMMENT ON COLUMN persons.churn_scores.probability IS 'Of being active last in [T+3, T+33) and then silent for 30 days';
COMMENT ON COLUMN persons.churn_scores.reasons IS 'In words, the weightiest first';
