-- Statements that let everybody do with the new table what they could do with the former one; its
-- former owner included. $1 the former table, $2 the new one.
SELECT format('GRANT %s ON %I TO %s%s', privilege_type, $2,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable AND grantee <> relowner THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class,
     aclexplode(COALESCE(relacl, acldefault('r', relowner)))
WHERE oid = to_regclass($1)
  AND pg_get_userbyid(grantee) <> current_user
ORDER BY grantee, privilege_type
