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
    model           BIGINT    NOT NULL REFERENCES churn_models,
    probability     REAL      NOT NULL,     -- of leaving: last active in [T+3, T+33), then silent for 30 days
    reasons         TEXT[]    NOT NULL,     -- at most three, the weightiest first
    PRIMARY KEY (score_date, subscriber_id)
);
-- What `streamer erase` looks for.
CREATE INDEX churn_scores_subscriber ON persons.churn_scores (subscriber_id);
