-- A region that dim_region does not have gets no figures per 1,000 inhabitants. Warns: traffic goes on.
{{ config(severity='warn') }}
select region, min(date) as first_day, sum(total_events) as events
from {{ ref('fct_region_daily') }}
where region not in (select region from {{ ref('dim_region') }})
group by region
