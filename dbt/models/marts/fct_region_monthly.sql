-- Months of business days; the first and the last are often incomplete, and say so.
{{ periods('month') }}
