-- Of every final day the hours add up to the batcher's figures, which were added up in another way. A
-- business day may begin inside an hour of UTC (in Kathmandu it does); what of such hours belongs to the
-- day is taken from the minutes. Days some of whose minutes expired before they were added up by the
-- hour are named by mart_data_quality instead; days with rows of others are what they were when they were
-- computed, and of those that had no other rows nothing may be left.
with days as (
    select
        date, include_late, day_start, day_end,
        date_trunc('hour', day_start + interval '59 minutes 59 seconds') as first_whole_hour,
        date_trunc('hour', day_end) as end_of_whole_hours
    from {{ source('pipeline', 'day_states') }}
    where
        state = 'final'
        -- Where minutes have expired, those of a part of an hour are nowhere any more.
        and (
            not minutes_expired
            or (day_start = date_trunc('hour', day_start) and day_end = date_trunc('hour', day_end))
        )
),

usable as (
    select days.*
    from days
    where
        (
            exists (
                select from {{ ref('fct_traffic_hourly') }} as hourly
                where hourly.hour_utc >= days.first_whole_hour and hourly.hour_utc < days.end_of_whole_hours
            )
            or exists (
                select from {{ source('pipeline', 'day_ledger') }} as ledger
                where ledger.quarter_start >= days.day_start and ledger.quarter_start < days.day_end
            )
        )
        and not exists (
            select from {{ ref('mart_data_quality') }} as quality
            where
                quality.measure = 'events in no hour'
                and quality.date between days.day_start::date and days.day_end::date
        )
        and not exists (
            select from {{ ref('fct_traffic_hourly') }} as hourly
            where
                (hourly.rows_of_others > 0 or (hourly.minutes_have_expired and days.day_start <> days.first_whole_hour))
                and hourly.hour_utc >= days.first_whole_hour and hourly.hour_utc < days.end_of_whole_hours
        )
),

parts as (
    select
        usable.date, usable.include_late, hourly.event_type, hourly.region,
        hourly.on_time_events, hourly.on_time_seconds, hourly.on_time_mb, hourly.on_time_tenge,
        hourly.late_events, hourly.late_seconds, hourly.late_mb, hourly.late_tenge
    from usable
    inner join {{ ref('fct_traffic_hourly') }} as hourly
        on hourly.hour_utc >= usable.first_whole_hour and hourly.hour_utc < usable.end_of_whole_hours

    union all

    -- By the day and by the index: of a year these are few minutes among millions.
    select
        usable.date, usable.include_late, minutes.event_type, minutes.region,
        minutes.on_time_events, minutes.on_time_seconds, minutes.on_time_mb, minutes.on_time_tenge,
        minutes.late_events, minutes.late_seconds, minutes.late_mb, minutes.late_tenge
    from usable
    cross join lateral (
        values (usable.day_start, usable.first_whole_hour), (usable.end_of_whole_hours, usable.day_end)
    ) as part_of_an_hour (begins, ends)
    cross join lateral (
        select
            event_type, region,
            event_count as on_time_events, total_duration as on_time_seconds,
            exact_data_mb as on_time_mb, exact_amount as on_time_tenge,
            0 as late_events, 0 as late_seconds, 0 as late_mb, 0 as late_tenge
        from {{ source('pipeline', 'real_time_metrics') }}
        where window_start >= part_of_an_hour.begins and window_start < part_of_an_hour.ends and own

        union all

        select event_type, region, 0, 0, 0, 0, event_count, total_duration, exact_data_mb, exact_amount
        from {{ source('pipeline', 'late_metrics') }}
        where window_start >= part_of_an_hour.begins and window_start < part_of_an_hour.ends
    ) as minutes
    where part_of_an_hour.begins < part_of_an_hour.ends
),

summed as (
    select
        date, event_type, region,
        sum(on_time_events + case when include_late then late_events else 0 end) as events,
        sum(on_time_seconds + case when include_late then late_seconds else 0 end) as seconds,
        sum(on_time_mb + case when include_late then late_mb else 0 end) as data_mb,
        sum(on_time_tenge + case when include_late then late_tenge else 0 end) as tenge
    from parts
    group by 1, 2, 3
    -- A key with late events alone has no row in a day without them.
    having sum(on_time_events + case when include_late then late_events else 0 end) > 0
),

daily as (
    select * from {{ ref('fct_region_daily') }} where date in (select date from usable) and total_events > 0
)

select
    date, event_type, region,
    summed.events as events_by_hour, daily.total_events as events_by_day,
    summed.seconds as seconds_by_hour, daily.total_duration_hours * 3600 as seconds_by_day,
    summed.data_mb as mb_by_hour, daily.total_data_tb * 1048576 as mb_by_day,
    summed.tenge as tenge_by_hour, daily.total_tenge as tenge_by_day
from summed
full join daily using (date, event_type, region)
where
    summed.events is distinct from daily.total_events
    or not {{ nearly_equal('summed.seconds', 'daily.total_duration_hours * 3600') }}
    or not {{ nearly_equal('summed.data_mb', 'daily.total_data_tb * 1048576') }}
    or not {{ nearly_equal('summed.tenge', 'daily.total_tenge') }}
