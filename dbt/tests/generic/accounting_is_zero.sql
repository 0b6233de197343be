-- Every record is accounted for (I-1): a partition that is not fails.
{% test accounting_is_zero(model) %}
select * from {{ model }}
where unaccounted <> 0 or on_time_off_ledger <> 0 or late_off_ledger <> 0
{% endtest %}
