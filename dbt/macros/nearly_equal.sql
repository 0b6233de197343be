{#- Equal up to what a DOUBLE PRECISION of the batcher's exact sum may lose, and a little more. -#}
{% macro nearly_equal(left, right) -%}
    abs(({{ left }})::double precision - ({{ right }})) <= 1e-9 * greatest(1, abs({{ right }}))
{%- endmacro %}
