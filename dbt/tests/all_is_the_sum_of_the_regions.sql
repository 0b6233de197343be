-- The batcher's row ALL of each day and type is the sum of that type's regions.
with regions as (
    select
        date, event_type,
        sum(total_events) as events, sum(total_duration_hours) as hours,
        sum(total_data_tb) as data_tb, sum(total_tenge) as tenge
    from {{ ref('fct_region_daily') }}
    group by 1, 2
),

country as (
    select date, event_type, total_events, total_duration_hours, total_data_tb, total_amount
    from {{ source('pipeline', 'daily_stats') }}
    where region = 'ALL'
)

select *
from regions
full join country using (date, event_type)
where
    regions.events is distinct from country.total_events
    or not {{ nearly_equal('regions.hours', 'country.total_duration_hours') }}
    or not {{ nearly_equal('regions.data_tb', 'country.total_data_tb') }}
    or not {{ nearly_equal('regions.tenge', 'country.total_amount') }}
