-- One row per minute, event type, region and arrival: on time and late are never mixed here. Rows that
-- others inserted into real_time_metrics have no exact sums, and may lack values that add nothing.
select
    window_start as minute_utc,
    event_type,
    region,
    'on_time' as arrival,
    own as is_own,
    coalesce(event_count, 0) as events,
    coalesce(total_duration, 0) as seconds,
    case when own then exact_data_mb else coalesce(total_data_mb, 0)::numeric end as data_mb,
    case when own then exact_amount else coalesce(total_amount, 0)::numeric end as amount_tenge
from {{ source('pipeline', 'real_time_metrics') }}
where window_start is not null and event_type is not null and region is not null

union all

select
    window_start, event_type, region, 'late', true, event_count, total_duration, exact_data_mb, exact_amount
from {{ source('pipeline', 'late_metrics') }}
