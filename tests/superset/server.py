"""One Superset: its settings, its process, its API; and a door that nobody is to knock at.

In: a folder and the warehouse's address. Out: answers of the API. Everything listens on loopback, and
all processes end with `stop`.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import uuid

import requests
from proof import wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DEPLOYED = REPOSITORY / "deploy" / "superset"
ANSWER_SECONDS = 60
# Where Superset keeps each kind of asset, and in which column its title.
STORED = {
    "database": ("dbs", "database_name"),
    "dataset": ("tables", "table_name"),
    "chart": ("slices", "slice_name"),
    "dashboard": ("dashboards", "dashboard_title"),
}


class Door:
    """A proxy that writes down who asks it for what, and lets nobody through."""

    def __init__(self):
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(ANSWER_SECONDS)
                self.asked.append(connection.recv(4096).split(b"\r\n")[0].decode(errors="replace"))


class Superset:
    """An installation with an empty database of its own, as in deploy/superset."""

    def __init__(self, home: pathlib.Path, warehouse_uri: str, door: Door):
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password = secrets.token_hex(8)
        self.session = requests.Session()
        self.session.trust_env = False
        self.process: subprocess.Popen | None = None
        self.environment = {
            "HOME": str(home),
            "PATH": f"{pathlib.Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(DEPLOYED),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FLASK_APP": "superset",
            "SUPERSET_HOME": str(home),
            "SUPERSET_SECRET_KEY": secrets.token_hex(32),
            "SUPERSET_ADMIN_PASSWORD": self.password,
            "WAREHOUSE_URI": warehouse_uri,
            # Whatever it asks of other hosts is asked at the door.
            "HTTP_PROXY": door.address,
            "HTTPS_PROXY": door.address,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def provision(self) -> None:
        """Runs deploy/superset/provision.sh."""
        self._run("provision.sh")

    def load(self, assets: pathlib.Path = DEPLOYED / "assets") -> None:
        """Runs deploy/superset/load.sh."""
        self._run("load.sh", str(assets))

    def _run(self, script: str, *arguments: str) -> None:
        done = subprocess.run(
            [DEPLOYED / script, *arguments],
            env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        output = done.stdout + done.stderr
        (self.home / f"{script}.log").write_text(output)
        assert done.returncode == 0, output[-5000:]

    # ---- The server ----

    def start(self) -> None:
        """Starts the server with one process, as the image does, and logs in."""
        with open(self.home / "server.log", "wb") as output:
            self.process = subprocess.Popen(
                [pathlib.Path(sys.prefix) / "bin" / "gunicorn", "--bind", f"127.0.0.1:{self.port}", "--workers", "1",
                 "--threads", "8", "--timeout", "120", "superset.app:create_app()"],
                env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
        wait_for("Superset to answer", self._answers, self.log)
        login = {"username": "admin", "password": self.password, "provider": "db", "refresh": False}
        answer = self.session.post(f"{self.url}/api/v1/security/login", json=login, timeout=ANSWER_SECONDS)
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        token = self.get("security/csrf_token/")["result"]
        self.session.headers.update({"X-CSRFToken": token, "Referer": self.url})

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.session.get(f"{self.url}/health", timeout=ANSWER_SECONDS).status_code == 200
        except requests.ConnectionError:
            return False

    def log(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")[-5000:]

    def memory_mib(self) -> float:
        """Resident memory of the server's processes."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        pages = [int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in [str(self.process.pid), *children]]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    # ---- The API ----

    def get(self, path: str) -> dict:
        answer = self.session.get(f"{self.url}/api/v1/{path}", timeout=ANSWER_SECONDS)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json()

    def all(self, kind: str) -> dict[str, tuple[int, str]]:
        """Number and title of all databases, datasets, charts or dashboards by their uuid, as stored."""
        table, title = STORED[kind]
        with contextlib.closing(sqlite3.connect(self.home / "superset.db")) as connection:
            rows = connection.execute(f"SELECT uuid, id, {title} FROM {table}").fetchall()
        found = {str(uuid.UUID(bytes=key)): (number, text) for key, number, text in rows}
        assert len(found) == len(rows), rows
        return found

    def chart_rows(self, chart_id: int) -> list[dict]:
        """A chart's data, by its saved query."""
        (result,) = self.get(f"chart/{chart_id}/data/?force=true")["result"]
        assert result["status"] == "success", result
        return result["data"]

    def sql(self, database_id: int, statement: str) -> requests.Response:
        """Runs a statement as SQL Lab does."""
        order = {"database_id": database_id, "sql": statement, "schema": "marts", "runAsync": False, "client_id": secrets.token_hex(5)}
        return self.session.post(f"{self.url}/api/v1/sqllab/execute/", json=order, timeout=ANSWER_SECONDS)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
