-- A day of a region, by event type: the batcher's figures, per 1,000 inhabitants and against the week
-- before. Figures are compared only where both days are whole and made of the same kinds of events:
-- a day that can still change would seem to fall.
with days as (
    select
        stats.date,
        stats.event_type,
        stats.region,
        stats.total_events,
        stats.total_duration_hours,
        stats.total_data_tb,
        stats.total_amount as total_tenge,
        stats.avg_duration_seconds,
        stats.distinct_subscribers,
        -- Days that were computed before runs were noted, or adopted from the replaced system.
        coalesce(states.state, 'unknown') as state,
        coalesce(states.state, 'unknown') in ('final', 'unknown') as is_whole,
        coalesce(states.include_late, false) as includes_late,
        states.stale_because,
        states.computed_at,
        states.day_start as day_start_utc,
        states.day_end as day_end_utc
    from {{ source('pipeline', 'daily_stats') }} as stats
    left join {{ source('pipeline', 'day_states') }} as states using (date)
    where stats.region <> 'ALL' and stats.event_type <> 'most_active'
)

select
    days.date,
    days.event_type,
    days.region,
    days.total_events,
    days.total_duration_hours,
    days.total_data_tb,
    days.total_tenge,
    days.avg_duration_seconds,
    days.distinct_subscribers,
    regions.inhabitants,
    days.total_events * 1000.0 / regions.inhabitants as events_per_1000,
    days.total_data_tb * 1024 * 1000.0 / regions.inhabitants as data_gb_per_1000,
    days.total_tenge * 1000.0 / regions.inhabitants as tenge_per_1000,
    before.total_events as events_week_before,
    case when days.is_whole and before.is_whole and days.includes_late = before.includes_late
        then days.total_events::double precision / nullif(before.total_events, 0) - 1
    end as events_change,
    case when days.is_whole and before.is_whole and days.includes_late = before.includes_late
        then days.total_tenge / nullif(before.total_tenge, 0) - 1
    end as tenge_change,
    days.state,
    days.stale_because,
    days.includes_late,
    days.computed_at,
    days.day_start_utc,
    days.day_end_utc
from days
left join days as before
    on before.date = days.date - 7 and before.event_type = days.event_type and before.region = days.region
left join {{ ref('dim_region') }} as regions on regions.region = days.region
