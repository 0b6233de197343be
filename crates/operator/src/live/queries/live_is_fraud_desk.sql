-- Whether somebody has given this very user the role of the fraud desk. Owners and superusers may read everything; that
-- alone is no wish to show it to whoever opens the page.
SELECT EXISTS (
    SELECT FROM pg_auth_members AS m
    JOIN pg_roles AS desk ON desk.oid = m.roleid AND desk.rolname = 'pipeline_fraud'
    JOIN pg_roles AS us ON us.oid = m.member AND us.rolname = current_user)
