-- What a reader of the other figures should know, one row per date, measure and detail. Where nothing
-- is wrong there is no row, but for the counts of events and the share of late ones.
with ledger as (
    select quarter_start::date as utc_date, sum(on_time) as on_time, sum(late) as late
    from {{ source('pipeline', 'day_ledger') }}
    group by 1
),

hourly as (
    select
        utc_date,
        sum(on_time_events) filter (where rows_of_others = 0) as on_time,
        sum(late_events) as late,
        bool_or(rows_of_others > 0) as has_rows_of_others
    from {{ ref('fct_traffic_hourly') }}
    group by 1
),

last_runs as (
    select distinct on (date) date, outcome, error
    from {{ source('pipeline', 'batch_runs') }}
    order by date, id desc
),

measures as (
    select utc_date as date, 'events on time' as measure, '' as detail, on_time::double precision as value from ledger

    union all
    select utc_date, 'events late', '', late from ledger

    union all
    select utc_date, 'late share', '', late::double precision / nullif(on_time + late, 0) from ledger

    union all
    select stored_at::date, 'dead letters', reason, count(*) from {{ source('pipeline', 'dead_letters') }}
    group by stored_at::date, reason

    union all
    select coalesce(carried_out_at, accepted_at)::date, 'records lost', coalesce(cause, 'not carried out yet'),
        sum(coalesce(to_offset - from_offset, 0))
    from {{ source('pipeline', 'gaps') }}
    group by 1, 3

    union all
    select date, 'day ' || state, coalesce(stale_because, ''), 1
    from {{ source('pipeline', 'day_states') }}
    where state <> 'final'

    union all
    select date, 'day changed after it was final', '', version_now - final_version
    from {{ source('pipeline', 'day_states') }}
    where changed_after_final

    union all
    select date, 'last run failed', coalesce(error, outcome), 1
    from last_runs
    where outcome in ('failed', 'no_data')

    union all
    -- Their minutes had expired before they were added up by the hour.
    select ledger.utc_date, 'events in no hour', '',
        ledger.on_time + ledger.late - coalesce(hourly.on_time, 0) - coalesce(hourly.late, 0)
    from ledger
    left join hourly using (utc_date)
    where
        not coalesce(hourly.has_rows_of_others, false)
        and (ledger.on_time <> coalesce(hourly.on_time, 0) or ledger.late <> coalesce(hourly.late, 0))

    union all
    select current_date, 'records unaccounted for', format('%s/%s, generation %s', topic, partition, generation),
        abs(unaccounted) + abs(on_time_off_ledger) + abs(late_off_ledger)
    from {{ source('pipeline', 'accounting') }}
    where unaccounted <> 0 or on_time_off_ledger <> 0 or late_off_ledger <> 0

    union all
    select current_date, 'partition halted', format('%s/%s: %s', topic, partition, halted_reason), 1
    from {{ source('pipeline', 'current_progress') }}
    where halted_reason is not null
)

select date, measure, detail, value from measures
