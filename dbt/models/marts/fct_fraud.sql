-- How many cases of fraud began on a UTC day, by rule and by how they stand now. Counts alone: neither this
-- model nor the role that builds it sees whom a case is about.
select
    utc_date,
    rule,
    mode,
    state,
    cases,
    alerts,
    hits
from {{ source('pipeline', 'fraud_counts') }}
