{#- Rows of this table are deleted or updated. In a publication FOR ALL TABLES PostgreSQL refuses that
    without a replica identity. Stated once: the statement takes a lock that readers would wait for. -#}
{% macro replica_identity_full() %}
    do $$
    begin
        if (select relreplident <> 'f' from pg_class where oid = '{{ this }}'::regclass) then
            alter table {{ this }} replica identity full;
        end if;
    end $$
{% endmacro %}
