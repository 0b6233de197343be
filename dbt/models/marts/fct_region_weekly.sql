-- Weeks of business days, from Monday; the first and the last are often incomplete, and say so.
{{ periods('week') }}
