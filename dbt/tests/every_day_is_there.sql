-- fct_region_daily has each row of daily_stats, and no other.
select date, event_type, region, stats.total_events as in_daily_stats, mart.total_events as in_marts
from (
    select * from {{ source('pipeline', 'daily_stats') }} where region <> 'ALL' and event_type <> 'most_active'
) as stats
full join {{ ref('fct_region_daily') }} as mart using (date, event_type, region)
where stats.total_events is distinct from mart.total_events
