-- Traffic by the hour. The unit of an increment is a UTC day: all rows of a day that has another version
-- than the one its rows were built from are built again, in one statement of one snapshot.
--
-- An hour whose minutes are no longer all there (they have expired) keeps the rows that it has: what is
-- left of the minutes would take the place of right figures. Whether they are all there the ledger says,
-- whose rows are never deleted; of rows that others inserted, their number, which never falls otherwise.
--
-- The planner expects about as many groups as minutes, and would sort thirteen million rows to make a year's
-- 219,000; a hash of them fits into memory.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='utc_date',
    on_schema_change='append_new_columns',
    full_refresh=false,
    indexes=[
        {'columns': ['hour_utc', 'event_type', 'region'], 'unique': true},
        {'columns': ['utc_date']},
    ],
    pre_hook="set local work_mem = '256MB'; set local enable_sort = off",
    post_hook="{{ replica_identity_full() }}",
) }}

{%- set days = changed_days() %}

with versions as (
    select * from {{ ref('stg_day_versions') }} where {{ is_one_of('utc_date', days) }}
),

-- First by all that the sums are told apart by: thirteen million minutes pass here once.
hour_sums as (
    select
        date_trunc('hour', minute_utc) as hour_utc,
        event_type,
        region,
        arrival,
        is_own,
        sum(events) as events,
        sum(seconds) as seconds,
        sum(data_mb) as data_mb,
        sum(amount_tenge) as tenge,
        count(*) as minute_rows
    from {{ ref('stg_minutes') }}
    where {{ lies_in_one_of('minute_utc', days) }}
    group by 1, 2, 3, 4, 5
),

counted as (
    select
        hour_utc,
        event_type,
        region,
        sum(events) filter (where arrival = 'on_time') as on_time_events,
        sum(seconds) filter (where arrival = 'on_time') as on_time_seconds,
        sum(data_mb) filter (where arrival = 'on_time') as on_time_mb,
        sum(tenge) filter (where arrival = 'on_time') as on_time_tenge,
        sum(events) filter (where arrival = 'late') as late_events,
        sum(seconds) filter (where arrival = 'late') as late_seconds,
        sum(data_mb) filter (where arrival = 'late') as late_mb,
        sum(tenge) filter (where arrival = 'late') as late_tenge,
        sum(events) filter (where arrival = 'on_time' and is_own) as own_events,
        coalesce(sum(minute_rows) filter (where not is_own), 0)::bigint as rows_of_others
    from hour_sums
    group by 1, 2, 3
),

minutes as (
    select
        hour_utc,
        sum(own_events) as on_time,
        sum(late_events) as late,
        sum(rows_of_others) as rows_of_others
    from counted
    group by 1
),

ledger as (
    select date_trunc('hour', quarter_start) as hour_utc, sum(on_time) as on_time, sum(late) as late
    from {{ source('pipeline', 'day_ledger') }}
    where {{ lies_in_one_of('quarter_start', days) }}
    group by 1
),

{% if is_incremental() %}
built as (
    select * from {{ this }} where {{ is_one_of('utc_date', days) }}
),
{% endif %}

expired_hours as (
    select hour_utc
    from ledger
    full join minutes using (hour_utc)
    {%- if is_incremental() %}
    full join (
        select hour_utc, sum(rows_of_others) as rows_of_others from built group by 1
    ) as before using (hour_utc)
    {%- endif %}
    where
        coalesce(ledger.on_time, 0) <> coalesce(minutes.on_time, 0)
        or coalesce(ledger.late, 0) <> coalesce(minutes.late, 0)
        {%- if is_incremental() %}
        or coalesce(before.rows_of_others, 0) > coalesce(minutes.rows_of_others, 0)
        {%- endif %}
),

rebuilt as (
    select
        hour_utc,
        event_type,
        region,
        coalesce(on_time_events, 0)::bigint as on_time_events,
        coalesce(on_time_seconds, 0)::bigint as on_time_seconds,
        coalesce(on_time_mb, 0) as on_time_mb,
        coalesce(on_time_tenge, 0) as on_time_tenge,
        coalesce(late_events, 0)::bigint as late_events,
        coalesce(late_seconds, 0)::bigint as late_seconds,
        coalesce(late_mb, 0) as late_mb,
        coalesce(late_tenge, 0) as late_tenge,
        rows_of_others,
        false as minutes_have_expired,
        localtimestamp as built_at
    from counted
    where hour_utc not in (select hour_utc from expired_hours)
    {%- if is_incremental() %}

    union all

    select
        hour_utc, event_type, region, on_time_events, on_time_seconds, on_time_mb, on_time_tenge,
        late_events, late_seconds, late_mb, late_tenge, rows_of_others, true, built_at
    from built
    where hour_utc in (select hour_utc from expired_hours)
    {%- endif %}
)

select
    rebuilt.hour_utc,
    versions.utc_date,
    rebuilt.event_type,
    rebuilt.region,
    rebuilt.on_time_events,
    rebuilt.on_time_seconds,
    rebuilt.on_time_mb,
    rebuilt.on_time_tenge,
    rebuilt.late_events,
    rebuilt.late_seconds,
    rebuilt.late_mb,
    rebuilt.late_tenge,
    rebuilt.rows_of_others,
    rebuilt.minutes_have_expired,
    versions.day_version,
    rebuilt.built_at
from rebuilt
inner join versions on versions.utc_date = rebuilt.hour_utc::date
