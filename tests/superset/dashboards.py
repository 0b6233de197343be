"""The checks of deploy/superset: a PASS or FAIL line each, measurements as MEASURED lines.

In: `sandbox run`, BINARIES, DBT. Out: lines on standard output, DONE last. The data were counted by the
streamer and modelled by dbt; Superset is the real one, and so is the browser.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import io
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import zipfile

import psycopg2
import yaml
from browser import Browser
from expected import EXPECTED
from proof import check, equal, say
from server import DEPLOYED, REPOSITORY, Door, Superset
from warehouse import Warehouse, password_of

ASSETS = DEPLOYED / "assets"
KINDS = {"database": "databases", "dataset": "datasets", "chart": "charts", "dashboard": "dashboards"}
# The tables that Superset's role must not see, and one that it must not change.
FORBIDDEN = (
    "SELECT subscriber FROM persons.probe",
    "SELECT subscriber_id FROM persons.alerts",
    "SELECT payload FROM public.dead_letters",
    "SELECT * FROM public.daily_stats",
    "DELETE FROM marts.fct_region_daily",
    "UPDATE marts.dim_region SET inhabitants = 0",
    "CREATE TABLE marts.mine (x INTEGER)",
)


def files(kind: str) -> dict[str, dict]:
    """The assets of a kind in the folder, by uuid."""
    loaded = {path: yaml.safe_load(path.read_text()) for path in (ASSETS / KINDS[kind]).rglob("*.yaml")}
    return {asset["uuid"]: {**asset, "key": path.stem} for path, asset in loaded.items()}


def charts_of(dashboard: dict) -> int:
    """How many charts stand on a dashboard."""
    return sum(part.get("type") == "CHART" for part in dashboard["position"].values() if isinstance(part, dict))


def fill(house: Warehouse) -> None:
    """Two weeks with late events, dead letters, a loss, incidents, frauds, a stale day; then dbt."""
    house.produce(1, "2025-11-01", "2025-11-16T01:00:00Z")
    house.program("batcher", "--from", "2025-11-01", "--to", "2025-11-15")
    house.produce(2, "2025-11-05T10:00:00Z", "2025-11-05T12:00:00Z")
    house.execute(
        """INSERT INTO dead_letters (topic, generation, partition, "offset", reason, detail, stored_at)
           SELECT 'x', 0, 0, n, CASE WHEN n % 3 = 0 THEN 'not_json' ELSE 'timestamp_unit' END, '',
                  timestamp '2025-11-03' + n * interval '1 hour'
           FROM generate_series(1, 200) AS n;
           INSERT INTO gaps (topic, generation, partition, position, reason, accepted_by, cause, from_offset, to_offset, carried_out_at)
           VALUES ('x', 0, 0, 5, 'r', 'me', 'overtaken', 5, 12, '2025-11-13 10:00');
           INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late, started_by)
           VALUES ('2025-11-14', 'UTC', '2025-11-14', '2025-11-15', false, 'me');
           INSERT INTO anomalies (region, event_type, direction, first_window, opened_at, last_window, closed_at, calm_windows,
                                  peak_observed, peak_expected, peak_score)
           VALUES ('Almaty', 'call', 'low', '2025-11-06 10:00', '2025-11-06 10:10', '2025-11-06 11:00', '2025-11-06 11:20', 3, 2, 51.5, -7),
                  ('ALL', 'sms', 'high', '2025-11-12 18:00', '2025-11-12 18:10', '2025-11-12 18:20', NULL, 1, 400, 120, 9)"""
    )
    house.accuse()
    house.dbt("build")


def provisioning(superset: Superset, folder: pathlib.Path) -> None:
    """The folder into an empty Superset, again, and again with other titles."""
    with check("provisioned: every database, dataset, chart and dashboard of the folder is there, under its uuid"):
        first = {kind: superset.all(kind) for kind in KINDS}
        for kind in KINDS:
            missing = files(kind).keys() - first[kind].keys()
            equal(missing, set())
        equal({kind: len(first[kind]) - len(files(kind)) for kind in KINDS}, {"database": 1, "dataset": 0, "chart": 0, "dashboard": 0})
    with check("provisioned again: nothing is there twice, and everything has the number that it had"):
        superset.load()
        again = {kind: superset.all(kind) for kind in KINDS}
        for kind in KINDS:
            equal(again[kind], first[kind])
        for uuid, dashboard in files("dashboard").items():
            number, _ = again["dashboard"][uuid]
            shown = [chart["id"] for chart in superset.get(f"dashboard/{number}/charts")["result"]]
            equal(len(shown), charts_of(dashboard))
            equal(len(set(shown)), len(shown))
    with check("changed titles of a chart and of a dashboard arrive, and the old ones come back"):
        changed = folder / "changed"
        shutil.copytree(ASSETS, changed)
        for path, old, new in (("charts/events.yaml", "slice_name: Events", "slice_name: All events"), ("dashboards/data-quality.yaml", "dashboard_title: Data quality", "dashboard_title: Trust")):
            text = (changed / path).read_text()
            assert old in text, path
            (changed / path).write_text(text.replace(old, new))
        superset.load(changed)
        assert "All events" in titles(superset, "chart") and "Trust" in titles(superset, "dashboard")
        superset.load()
        equal({kind: superset.all(kind) for kind in KINDS}, first)
    with check("a file that can't be loaded ends the script with an error, which names it"):
        broken = folder / "broken"
        shutil.copytree(ASSETS, broken)
        (broken / "charts" / "events.yaml").write_text("slice_name: Events\n")
        try:
            superset.load(broken)
        except AssertionError as refused:
            assert "charts/events.yaml" in str(refused), refused
        else:
            raise AssertionError("the script ended well")


def titles(superset: Superset, kind: str) -> set[str]:
    """The titles of all assets of a kind."""
    return {title for _, title in superset.all(kind).values()}


def plain(value: object) -> object:
    """A value of Superset's JSON or of PostgreSQL, as something that can be compared."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        moment = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time.min)
        return moment.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float, decimal.Decimal)):
        return float(f"{float(value):.12g}")
    return value


def chart_data(superset: Superset, house: Warehouse) -> None:
    """What each chart shows, beside SQL that was written without it."""
    charts = {files("chart")[uuid]["key"]: number for uuid, (number, _) in superset.all("chart").items()}
    with check("every chart has SQL to be compared with"):
        equal(charts.keys(), EXPECTED.keys())
    connection = psycopg2.connect(house.url_of("superset"))
    with contextlib.closing(connection):
        for key, statement in EXPECTED.items():
            with check(f"chart {key}: its data by the API are those of SQL"):
                with connection, connection.cursor() as cursor:
                    cursor.execute(statement)
                    expected = sorted((tuple(map(plain, row)) for row in cursor.fetchall()), key=str)
                found = sorted((tuple(map(plain, row.values())) for row in superset.chart_rows(charts[key])), key=str)
                assert expected, "SQL finds nothing"
                equal(found, expected)


def rendering(superset: Superset, folder: pathlib.Path) -> None:
    """Each dashboard once in a browser, and what its pages asked for."""
    asked = {}
    with contextlib.closing(Browser(superset, Door(), folder)) as browser:
        for dashboard in files("dashboard").values():
            charts = charts_of(dashboard)
            with check(f"dashboard {dashboard['slug']} in Chromium: {charts} charts are drawn, no error box"):
                browser.open_dashboard(dashboard["slug"], charts)
                equal(browser.errors(), [])
                text = browser.text()
                for chart in files("chart").values():
                    if f"CHART-{chart['key']}" in dashboard["position"]:
                        assert chart["slice_name"] in text, (chart["slice_name"], text[:3000])
                if os.environ.get("PICTURES"):
                    browser.picture(REPOSITORY / "docs" / f"superset-{dashboard['slug']}.png")
            asked |= browser.asked()
    # chrome: is the browser's own page for a new tab, which it may or may not have drawn before it was told where to go.
    nobody_else = (superset.url, "data:", "blob:", "chrome:")
    elsewhere = {url: held_back for url, held_back in asked.items() if not url.startswith(nobody_else)}
    with check("the pages asked no outside host for anything"):
        assert len(asked) > 50, asked
        equal([url for url, held_back in elsewhere.items() if not held_back], [])
    with check("the image that counts installations is on the pages, and was held back"):
        assert elsewhere and all("scarf.sh" in url for url in elsewhere), elsewhere


def exposures(superset: Superset, house: Warehouse) -> None:
    """What dbt says of who uses its models, beside the dashboards themselves."""
    with check("every exposure of dbt is a dashboard of Superset, with the models that its charts show, and the reverse"):
        manifest = json.loads((house.folder / "target" / "manifest.json").read_text())
        stated = {
            exposure["url"].rstrip("/").rsplit("/", 1)[1]: {node.rsplit(".", 1)[1] for node in exposure["depends_on"]["nodes"]}
            for exposure in manifest["exposures"].values()
        }
        shown = {}
        for dashboard in files("dashboard").values():
            datasets = superset.get(f"dashboard/{dashboard['slug']}/datasets")["result"]
            shown[dashboard["slug"]] = {dataset["table_name"] for dataset in datasets}
        equal(stated, shown)


def rights(superset: Superset, house: Warehouse) -> None:
    """What an admin of Superset can do in the warehouse with SQL Lab: read marts."""
    (number, _) = superset.all("database")[next(iter(files("database")))]
    with check("SQL Lab reads marts, and is denied persons, the pipeline's tables and every change"):
        allowed = superset.sql(number, "SELECT count(*) AS rows FROM marts.fct_region_daily")
        assert allowed.status_code == 200 and allowed.json()["data"][0]["rows"] > 0, allowed.text
        for statement in FORBIDDEN:
            answer = superset.sql(number, statement)
            assert answer.status_code >= 400, (statement, answer.text)
            assert "permission denied" in answer.text or "DML_NOT_ALLOWED_ERROR" in answer.text, (statement, answer.text)
    with check("and were Superset not in the way, the database itself would deny each of these"):
        equal([statement for statement in FORBIDDEN if not house.denied("superset", statement)], [])


def secrecy(superset: Superset, folder: pathlib.Path) -> None:
    """Where the warehouse's password is not."""
    password = password_of("superset").encode()
    with check("no password in Superset's database, its logs, the assets or an export of everything"):
        answer = superset.session.get(f"{superset.url}/api/v1/assets/export/", timeout=60)
        assert answer.status_code == 200, answer.text[:2000]
        export = zipfile.ZipFile(io.BytesIO(answer.content))
        names = export.namelist()
        assert any("databases/" in name for name in names) and any("charts/" in name for name in names), names
        equal([name for name in names if password in export.read(name)], [])
        looked_at = [path for root in (superset.home, DEPLOYED) for path in root.rglob("*") if path.is_file()]
        assert superset.home / "superset.db" in looked_at, looked_at
        equal([path for path in looked_at if password in path.read_bytes()], [])


def main() -> None:
    """All checks; everything that was started is ended."""
    with tempfile.TemporaryDirectory(prefix="superset-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        for part in ("dbt", "superset", "browser"):
            (folder / part).mkdir()
        house = stack.enter_context(contextlib.closing(Warehouse("superset", folder / "dbt")))
        fill(house)
        door = Door()
        superset = Superset(folder / "superset", house.url_of("superset"), door)
        stack.callback(superset.stop)
        superset.provision()
        superset.start()
        provisioning(superset, folder)
        chart_data(superset, house)
        rendering(superset, folder / "browser")
        exposures(superset, house)
        rights(superset, house)
        secrecy(superset, folder)
        say(f"MEASURED resident memory of the server after all this: {superset.memory_mib():.0f} MiB")
        with check("Superset itself has asked no other host for anything"):
            equal(door.asked, [])
    say("DONE")


if __name__ == "__main__":
    # Ends as by Ctrl-C: what has been started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
