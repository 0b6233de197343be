{#- The UTC days whose rows of the model are not built from what the minutes are now; none: all days, in
    a first build. They are asked for before the model's statement, which then reads only these days'
    minutes by their index. That statement takes the versions from its own snapshot, so a day that
    changes in between is right, and one that is not in the list yet is built by the next run. -#}
{% macro changed_days() %}
    {%- if not execute or not is_incremental() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set changed -%}
        set local jit = off;
        select utc_date::text
        from (
            select utc_date, day_version from {{ ref('stg_day_versions') }}
            except
            select utc_date, day_version from {{ this }}
        ) as changed
        order by 1
    {%- endset -%}
    {%- set days = run_query(changed).columns[0].values() | list -%}
    {{ log(this.identifier ~ ': ' ~ (days | length) ~ ' changed days: ' ~ (days | join(', ')), info=(days | length > 0)) }}
    {{ return(days) }}
{% endmacro %}

{#- A condition: the date is one of the days. -#}
{% macro is_one_of(column, days) %}
    {%- if days is none -%} true
    {%- elif not days -%} false
    {%- else -%} {{ column }} in ('{{ days | join("', '") }}')
    {%- endif -%}
{% endmacro %}

{#- A condition that an index on the timestamp serves: it lies in one of the days. -#}
{% macro lies_in_one_of(column, days) %}
    {%- if days is none -%} true
    {%- elif not days -%} false
    {%- elif days | length > 31 -%}
        {{ column }} >= '{{ days | min }}' and {{ column }} < date '{{ days | max }}' + 1
        and {{ column }}::date in ('{{ days | join("', '") }}')
    {%- else -%}
        (
        {%- for day in days %}
            {%- if not loop.first %} or {% endif -%}
            {{ column }} >= '{{ day }}' and {{ column }} < date '{{ day }}' + 1
        {%- endfor -%}
        )
    {%- endif -%}
{% endmacro %}

{#- After an operator has taken rows of others out of real_time_metrics:

        dbt run-operation forget_day --args '{utc_date: 2025-11-09}'

    removes the day's hourly rows, and the next run builds them from the minutes. Refused while minutes
    of ours have expired, which nothing could bring back. -#}
{% macro forget_day(utc_date) %}
    {%- set day = modules.datetime.date.fromisoformat(utc_date | string) -%}
    {%- set hourly = ref('fct_traffic_hourly') -%}
    {%- set lost -%}
        select count(*) from (
            select date_trunc('hour', quarter_start) as hour_utc, sum(on_time) as on_time, sum(late) as late
            from {{ source('pipeline', 'day_ledger') }}
            where quarter_start >= '{{ day }}' and quarter_start < date '{{ day }}' + 1
            group by 1
        ) as ledger
        left join (
            select
                date_trunc('hour', minute_utc) as hour_utc,
                sum(events) filter (where arrival = 'on_time') as on_time,
                sum(events) filter (where arrival = 'late') as late
            from {{ ref('stg_minutes') }}
            where is_own and minute_utc >= '{{ day }}' and minute_utc < date '{{ day }}' + 1
            group by 1
        ) as minutes using (hour_utc)
        where ledger.on_time <> coalesce(minutes.on_time, 0) or ledger.late <> coalesce(minutes.late, 0)
    {%- endset -%}
    {%- set hours = run_query(lost).columns[0].values()[0] -%}
    {%- if hours > 0 -%}
        {{ exceptions.raise_compiler_error(
            "forget_day: the minutes of " ~ hours ~ " hours of " ~ day ~ " have expired; their hourly rows are all that is left of them, and stay"
        ) }}
    {%- endif -%}
    {%- do run_query("delete from " ~ hourly ~ " where utc_date = '" ~ day ~ "'; commit") -%}
    {{ log("forget_day: " ~ day ~ " will be built again by the next run", info=true) }}
{% endmacro %}
