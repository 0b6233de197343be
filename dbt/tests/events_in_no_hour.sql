-- Events that no hourly row holds, because their minutes expired before a run met them. Warns: nothing
-- brings them back, and the daily figures have them.
{{ config(severity='warn') }}
select * from {{ ref('mart_data_quality') }} where measure = 'events in no hour'
