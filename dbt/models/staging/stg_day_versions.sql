-- What a UTC day's minutes were made from, as one text per day. It changes with every change of the
-- minutes: the ledger counts each event of ours once, on time or late, and never goes back; of rows that
-- others inserted, which the ledger does not know, it is the sum of their hashes.
with counted as (
    select quarter_start::date as utc_date, sum(on_time) as on_time, sum(late) as late
    from {{ source('pipeline', 'day_ledger') }}
    group by 1
),

of_others as (
    select
        window_start::date as utc_date,
        sum(hashtextextended(
            concat_ws('|', window_start, event_type, region, event_count, total_duration, total_data_mb, total_amount), 0
        )::numeric) as fingerprint
    from {{ source('pipeline', 'real_time_metrics') }}
    where not own and window_start is not null and event_type is not null and region is not null
    group by 1
)

select
    utc_date,
    format('%s on time, %s late', coalesce(on_time, 0), coalesce(late, 0))
    || coalesce(format(', others %s', fingerprint), '') as day_version
from counted
full join of_others using (utc_date)
where coalesce(on_time, 0) + coalesce(late, 0) > 0 or fingerprint is not null
