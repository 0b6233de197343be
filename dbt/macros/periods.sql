{#- Sums of fct_region_daily over periods of `unit`, week (from Monday) or month, of business days. A
    period is complete when each of its days was computed and none can still change or is stale: a
    region without traffic on some day is no hole, so days are looked for over all regions. Distinct
    subscribers are left out: those of several days can't be added. Days are added in their order: sums of
    DOUBLE PRECISION depend on it in the last digit, and a second run must make the same rows. -#}
{% macro periods(unit) %}
with daily as (
    select *, date_trunc('{{ unit }}', date::timestamp)::date as first_day from {{ ref('fct_region_daily') }}
),

completeness as (
    select
        first_day,
        (first_day + interval '1 {{ unit }}')::date - first_day as days_expected,
        count(distinct date) as days_computed,
        count(distinct date) filter (where state in ('provisional', 'stale')) as days_not_final
    from daily
    group by first_day
)

select
    daily.first_day,
    daily.event_type,
    daily.region,
    sum(daily.total_events)::bigint as total_events,
    sum(daily.total_duration_hours order by daily.date) as total_duration_hours,
    sum(daily.total_data_tb order by daily.date) as total_data_tb,
    sum(daily.total_tenge order by daily.date) as total_tenge,
    sum(daily.total_duration_hours order by daily.date) * 3600 / nullif(sum(daily.total_events), 0) as avg_duration_seconds,
    max(daily.inhabitants) as inhabitants,
    sum(daily.total_events) * 1000.0 / max(daily.inhabitants) as events_per_1000,
    sum(daily.total_data_tb order by daily.date) * 1024 * 1000.0 / max(daily.inhabitants) as data_gb_per_1000,
    sum(daily.total_tenge order by daily.date) * 1000.0 / max(daily.inhabitants) as tenge_per_1000,
    completeness.days_expected,
    completeness.days_computed,
    completeness.days_not_final,
    completeness.days_computed = completeness.days_expected and completeness.days_not_final = 0 as is_complete
from daily
inner join completeness using (first_day)
group by
    daily.first_day, daily.event_type, daily.region,
    completeness.days_expected, completeness.days_computed, completeness.days_not_final
{% endmacro %}
