"""A real headless Chromium that opens dashboards.

In: a Superset and the door. Out: what is on the page, and pictures of it.
"""

from __future__ import annotations

import json
import pathlib
import shutil

from proof import wait_for
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.chrome.service import Service

# What it needs to run as root, without a display, and to leave the network alone.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
)
WIDTH, HEIGHT = 1400, 1000
# What Superset shows in the place of a chart, or above it, when something went wrong.
ERRORS = '[data-test="error-container"], .ant-alert-error, .ant-alert-warning, .alert-danger, [data-test="toast-container"] .toast--danger'
# One for each chart that has drawn itself.
DRAWN = '.chart-slice canvas, .chart-slice svg, .chart-slice table, .chart-slice .header-line, .chart-slice .ant-empty'


class Browser:
    """One window, logged in as admin."""

    def __init__(self, superset, door, folder: pathlib.Path):
        self.superset = superset
        options = webdriver.ChromeOptions()
        options.binary_location = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))))
        for flag in (*FLAGS, f"--window-size={WIDTH},{HEIGHT}", f"--proxy-server={door.address}", f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        # What Chromium asks of its maker by itself ends at the proxy; what pages ask for is logged.
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.get(f"{superset.url}/login/")
        self.element("#username").send_keys("admin")
        self.element("#password").send_keys(superset.password)
        self.element('input[type="submit"], button[type="submit"]').click()
        wait_for("the login", lambda: "/login" not in self.driver.current_url, lambda: self.driver.page_source[:3000])

    def close(self) -> None:
        self.driver.quit()

    def element(self, selector: str):
        """The first element, once it is there."""
        return wait_for(selector, lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), lambda: self.driver.page_source[:3000])[0]

    def open_dashboard(self, slug: str, charts: int) -> None:
        """Opens a dashboard and waits until each of its charts has drawn itself or shows an error."""
        self.driver.get(f"{self.superset.url}/superset/dashboard/{slug}/")
        # So tall that no chart waits for being scrolled to.
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": WIDTH, "height": 2900, "deviceScaleFactor": 1, "mobile": False})

        def settled():
            loading = self.driver.find_elements(By.CSS_SELECTOR, '.loading, [data-test="loading-indicator"]')
            return not loading and (self.errors() or self.drawn() == charts)

        wait_for(f"{charts} charts of {slug}", settled, lambda: f"{self.drawn()} drawn; {self.text()[:2000]}")

    def drawn(self) -> int:
        """How many charts have drawn themselves."""
        script = "return [...document.querySelectorAll('.chart-slice')].filter(slice => slice.querySelector(arguments[0])).length"
        return self.driver.execute_script(script, DRAWN.replace(".chart-slice ", ""))

    def errors(self) -> list[str]:
        """The texts of all error boxes."""
        return [box.text for box in self.driver.find_elements(By.CSS_SELECTOR, ERRORS)]

    def asked(self) -> dict[str, bool]:
        """The addresses that pages have asked for since the last call, and whether the page's own policy held
        the request back."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        held_back = {
            event["params"]["requestId"] for event in events
            if event["method"] == "Network.loadingFailed" and event["params"].get("blockedReason") == "csp"
        }
        return {
            event["params"]["request"]["url"]: event["params"]["requestId"] in held_back
            for event in events if event["method"] == "Network.requestWillBeSent"
        }

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def picture(self, path: pathlib.Path) -> None:
        """The whole page as it is now, no taller than its content."""
        height = self.driver.execute_script("return Math.ceil(Math.max(...[...document.querySelectorAll('.chart-slice')].map(s => s.getBoundingClientRect().bottom))) + 40")
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False})
        path.write_bytes(self.driver.get_screenshot_as_png())
