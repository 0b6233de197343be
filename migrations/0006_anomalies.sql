-- Unusual traffic: one row per incident, however many windows it lasts.
--
-- Windows here are those of detection, 5 minutes of event time. Region 'ALL' is the whole country.

CREATE TABLE anomalies (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What names the incident: written again, it is the same row.
    region              VARCHAR(100) NOT NULL,
    event_type          VARCHAR(50) NOT NULL,
    direction           TEXT NOT NULL CHECK (direction IN ('high', 'low')),
    first_window        TIMESTAMP NOT NULL,         -- start of the first window that was unusual
    opened_at           TIMESTAMP NOT NULL,         -- end of the window by which it was noticed
    last_window         TIMESTAMP NOT NULL,         -- start of the last window that was not calm
    closed_at           TIMESTAMP,                  -- end of the window by which it was over; NULL: it goes on
    state               TEXT NOT NULL GENERATED ALWAYS AS
                            (CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END) STORED,
    calm_windows        INTEGER NOT NULL,           -- since last_window; the third closes
    -- The worst window.
    peak_observed       BIGINT NOT NULL,            -- events counted
    peak_expected       DOUBLE PRECISION NOT NULL,  -- events expected
    peak_score          DOUBLE PRECISION NOT NULL,  -- standard deviations above that, negative: below
    detected_at         TIMESTAMP NOT NULL DEFAULT now(),
    updated_at          TIMESTAMP NOT NULL DEFAULT now(),
    UNIQUE (region, event_type, direction, first_window),
    CHECK (first_window <= last_window AND first_window < opened_at AND opened_at <= closed_at)
);
-- A series is unusual in one way at a time.
CREATE UNIQUE INDEX anomalies_open ON anomalies (region, event_type) WHERE closed_at IS NULL;
CREATE INDEX anomalies_opened_at ON anomalies (opened_at);

-- How far detection has come. It changes together with `anomalies`, so a detector that is killed goes on
-- where the rows are.
CREATE TABLE detector_progress (
    only_row            BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    judged_through      TIMESTAMP NOT NULL,         -- every window that ends by then has been judged
    -- Of the last window: series that were judged, too small to judge, or not known for long enough.
    series_judged       INTEGER NOT NULL,
    series_small        INTEGER NOT NULL,
    series_warming_up   INTEGER NOT NULL,
    updated_at          TIMESTAMP NOT NULL DEFAULT now()
);
