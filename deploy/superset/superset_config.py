"""Superset's settings for the telecom warehouse.

In: the environment. WAREHOUSE_URI, the address of the database with the schema marts, as a user in the
role pipeline_bi; SUPERSET_SECRET_KEY, which signs sessions; SUPERSET_HOME, the folder that holds
Superset's own data. Out: what Superset reads when it starts.

The assets in this folder hold no address and no password: every connection is given WAREHOUSE_URI when
it is opened, so that neither Superset's own database nor an export ever has it.
"""

import json
import os
import pathlib

from sqlalchemy import event
from sqlalchemy.engine import make_url


def needed(name):
    """A variable without which Superset must not start."""
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set; docs/superset.md says what it is")
    return value


# The host that stands in assets/databases/warehouse.yaml.
PLACEHOLDER = "from-the-environment"
WAREHOUSE = make_url(needed("WAREHOUSE_URI"))

SECRET_KEY = needed("SUPERSET_SECRET_KEY")
DATA_DIR = pathlib.Path(needed("SUPERSET_HOME"))
SQLALCHEMY_DATABASE_URI = os.environ.get("SUPERSET_METADATA_URI") or f"sqlite:///{DATA_DIR / 'superset.db'}"
# `import-directory` makes an entry for Superset's own examples, which are not here: it leads nowhere.
SQLALCHEMY_EXAMPLES_URI = "sqlite://"

# The browser may ask this server and nobody else. Superset's pages hold an image at a server that
# counts installations, and there is no setting for it: this is what keeps browsers from fetching it.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}


def DB_CONNECTION_MUTATOR(uri, params, username, security_manager, source):
    """Puts the warehouse's address in the place of the placeholder."""
    if uri.host == PLACEHOLDER:
        uri = WAREHOUSE
    return uri, params


def FLASK_APP_MUTATOR(app):
    """A chart's saved query names its dataset by a number that this Superset has chosen, which no file
    can know: it is put in whenever a chart is stored."""
    from superset.models.slice import Slice

    for moment in ("before_insert", "before_update"):
        event.listen(Slice, moment, name_own_dataset)


def name_own_dataset(mapper, connection, chart):
    """The saved query of a chart asks the chart's own dataset."""
    if not chart.query_context:
        return
    context = json.loads(chart.query_context)
    context["datasource"] = {"id": chart.datasource_id, "type": chart.datasource_type}
    chart.query_context = json.dumps(context)
