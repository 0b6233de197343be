//! A real headless Chromium, driven by chromedriver over the WebDriver protocol.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::WAIT_TIMEOUT;
use sandbox::wait_until;
use serde_json::{Value, json};

use super::tools::{Tool, folder, on_path};
use super::{client, get};

/// What a browser needs to run as root, without a display, and to leave the network alone.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
];

/// One browser window. Closed on drop.
pub(super) struct Browser {
    session: String,
    // Ended after the session.
    _driver: Tool,
}

impl Browser {
    /// Opens a window of this size; `colours` is `light` or `dark`.
    pub(super) fn open(width: u32, height: u32, colours: &str) -> Result<Browser> {
        let chromium = on_path(&["chromium", "google-chrome", "chromium-browser", "chrome"])?;
        let files = folder()?;
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", files.path().join("profile").display()));
        flags.push(format!("--window-size={width},{height}"));
        let port = sandbox::free_port()?;
        let driver =
            Tool::start(&on_path(&["chromedriver"])?, &[&format!("--port={port}")], files)?;
        let url = format!("http://127.0.0.1:{port}");
        wait_until("chromedriver is ready", WAIT_TIMEOUT, || {
            get(&format!("{url}/status")).is_ok_and(|(status, _)| status == 200)
        })
        .with_context(|| driver.log())?;
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": flags},
            // Every request of the page, and what it writes to its console.
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }}});
        let opened = post(&format!("{url}/session"), &capabilities)
            .with_context(|| format!("chromedriver: {}", driver.log()))?;
        let id = opened["sessionId"].as_str().context("a session has an id")?;
        let browser = Browser { session: format!("{url}/session/{id}"), _driver: driver };
        // A phone is narrower than a window may be, so the page is given its size directly.
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", size)?;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": colours}]});
        browser.devtools("Emulation.setEmulatedMedia", features)?;
        Ok(browser)
    }

    /// Goes to an address.
    pub(super) fn go_to(&self, url: &str) -> Result<()> {
        self.command("url", &json!({"url": url})).map(drop)
    }

    /// What a script returns.
    pub(super) fn script(&self, script: &str) -> Result<Value> {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of the element that has this id.
    pub(super) fn text(&self, id: &str) -> Result<String> {
        let value = self.script(&format!("return document.getElementById({id:?}).textContent"))?;
        Ok(value.as_str().context("text")?.to_owned())
    }

    /// Waits until a script returns true.
    pub(super) fn wait_for(&self, what: &str, script: &str) -> Result<()> {
        wait_until(what, WAIT_TIMEOUT, || self.script(script).is_ok_and(|value| value == true))
            .with_context(|| {
                let text = self.script("return document.body.innerText").unwrap_or_default();
                format!("the page says: {text}")
            })
    }

    /// Presses keys, as WebDriver names them, on whatever has the focus.
    pub(super) fn press(&self, keys: &[&str]) -> Result<()> {
        let events: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": events}]});
        self.command("actions", &actions).map(drop)
    }

    /// The addresses that the page has asked for since this was called last.
    pub(super) fn requested(&self) -> Result<Vec<String>> {
        let entries = self.command("se/log", &json!({"type": "performance"}))?;
        let mut addresses = Vec::new();
        for entry in entries.as_array().context("a list of entries")? {
            let message: Value = serde_json::from_str(entry["message"].as_str().context("text")?)?;
            let message = &message["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let address = message["params"]["request"]["url"].as_str().context("an address")?;
                addresses.push(address.to_owned());
            }
        }
        Ok(addresses)
    }

    /// What stands in the console since this was called last: mistakes of scripts, breaches of the page's policy.
    pub(super) fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.command("se/log", &json!({"type": "browser"}))?;
        let entries = entries.as_array().context("a list of entries")?;
        Ok(entries.iter().map(|entry| entry["message"].to_string()).collect())
    }

    /// Clicks in the middle of the element that this selector finds first.
    pub(super) fn click(&self, selector: &str) -> Result<()> {
        let found =
            self.command("element", &json!({"using": "css selector", "value": selector}))?;
        let id = found.as_object().and_then(|found| found.values().next()).context("an element")?;
        let id = id.as_str().context("an id")?;
        self.command(&format!("element/{id}/click"), &json!({})).map(drop)
    }

    /// Takes a picture of the window.
    pub(super) fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.devtools("Page.captureScreenshot", json!({"format": "png"}))?;
        let picture = picture["data"].as_str().context("a picture")?;
        fs::write(file, decode_base64(picture)?).with_context(|| file.display().to_string())
    }

    /// What assistive technology is told: role and name of every node that is not ignored.
    pub(super) fn accessible_nodes(&self) -> Result<Vec<(String, String)>> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({}))?;
        let nodes = tree["nodes"].as_array().context("a tree of nodes")?;
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        Ok(nodes
            .iter()
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect())
    }

    fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn command(&self, path: &str, body: &Value) -> Result<Value> {
        post(&format!("{}/{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser together with the session.
        client().delete(&self.session).call().ok();
    }
}

fn post(url: &str, body: &Value) -> Result<Value> {
    let mut answer = client().post(url).send_json(body)?;
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
    ensure!(status == 200, "{url}: {status} {text}");
    let answer: Value = serde_json::from_str(&text)?;
    Ok(answer["value"].clone())
}

/// Standard base64, as the protocol has it.
fn decode_base64(text: &str) -> Result<Vec<u8>> {
    let value = |character: u8| match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let six = value(character).context("not base64")?;
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}
