-- Incidents of unusual traffic, one row each. Region ALL is the whole country. Times are UTC.
select
    id as incident_id,
    region,
    event_type,
    measure,
    direction,
    state,
    first_window as began_at_utc,
    opened_at as noticed_at_utc,
    last_window as last_unusual_at_utc,
    closed_at as over_at_utc,
    extract(epoch from coalesce(closed_at, opened_at) - first_window)::bigint / 60 as minutes_known,
    peak_observed,
    peak_expected,
    peak_observed / nullif(peak_expected, 0) as peak_ratio,
    peak_score
from {{ source('pipeline', 'anomalies') }}
