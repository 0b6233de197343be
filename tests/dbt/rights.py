"""What dbt and those who show dashboards may do in the database, and what dbt leaves behind in files."""

from __future__ import annotations

import json

from proof import check, equal
from warehouse import MARTS, Warehouse

DENIED = {
    "dbt": (
        "SELECT FROM persons.probe",
        "SELECT FROM persons.alerts",
        "SELECT FROM persons.verdicts",
        "SELECT FROM persons.fraud_cases",
        "SELECT payload FROM dead_letters",
        "SELECT key FROM dead_letters",
        "SELECT headers FROM dead_letters",
        "SELECT detail FROM dead_letters",
        "SELECT FROM subscriber_sketches",
        "SELECT FROM dead_letter_replays",
        "UPDATE daily_stats SET total_events = 0",
        "DELETE FROM real_time_metrics",
        "INSERT INTO late_metrics DEFAULT VALUES",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
    ),
    "superset": (
        "SELECT FROM persons.probe",
        "SELECT FROM persons.fraud_cases",
        "SELECT FROM public.fraud_counts",
        "SELECT FROM public.real_time_metrics",
        "SELECT FROM public.daily_stats",
        "SELECT FROM public.dead_letters",
        "DELETE FROM marts.fct_region_daily",
        "UPDATE marts.fct_traffic_hourly SET on_time_events = 0",
        "INSERT INTO marts.dim_region DEFAULT VALUES",
        "DROP TABLE marts.fct_incidents",
        "CREATE TABLE marts.mine ()",
        "CREATE TABLE public.mine ()",
    ),
}


def checks(house: Warehouse) -> None:
    """Rights first, then what is left in files."""
    for user, statements in DENIED.items():
        with check(f"{user} is denied what is not its business: {len(statements)} statements"):
            equal([statement for statement in statements if not house.denied(user, statement)], [])
    with check("superset reads every table and view of marts"):
        relations = [name for (name,) in house.query("SELECT relname FROM pg_class WHERE relnamespace = 'marts'::regnamespace AND relkind IN ('r', 'v')")]
        assert set(MARTS) < set(relations), relations
        equal([name for name in relations if house.denied("superset", f"SELECT FROM marts.{name}")], [])
    with check("every table can be published: with a publication FOR ALL TABLES the models still change"):
        house.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        house.produce(20, "2025-11-09T10:00:00Z", "2025-11-09T10:30:00Z")
        house.program("batcher", "2025-11-09", "--include-late")
        house.dbt("build")
        house.execute("DROP PUBLICATION everything")
    with check("the documentation is made, with every mart, and no file of dbt holds the password"):
        house.dbt("docs", "generate")
        catalog = json.loads((house.folder / "target" / "catalog.json").read_text())
        names = {node["metadata"]["name"] for node in catalog["nodes"].values()}
        assert set(MARTS) <= names, names
        password = house.environment()["DBT_ENV_SECRET_PASSWORD"]
        files = [path for path in house.folder.rglob("*") if path.is_file()]
        assert files, "dbt left nothing to look at"
        equal([path for path in files if password.encode() in path.read_bytes()], [])
