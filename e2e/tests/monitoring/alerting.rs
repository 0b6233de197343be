//! The whole chain for real: a streamer is stopped, and a webhook hears of it, from Prometheus through
//! Alertmanager, with the files of deploy/prometheus. Only addresses and pauses are changed, so that a
//! test need not wait for minutes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use e2e::WAIT_TIMEOUT;
use sandbox::wait_until;
use serde_json::Value;
use tempfile::TempDir;

use super::tools::{Tool, folder, on_path, prometheus_program, repository_file};
use super::{get, served_pipeline};

/// Pauses of the files, and what they are in a test.
const PAUSES: &[(&str, &str)] = &[
    ("scrape_interval: 15s", "scrape_interval: 1s"),
    ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ("group_wait: 30s", "group_wait: 1s"),
    ("group_interval: 5m", "group_interval: 1s"),
    ("for: 1m", "for: 2s"),
];
/// An alert passes Prometheus, Alertmanager and the webhook within this time.
const ALERT_TIMEOUT: Duration = Duration::from_secs(90);

#[test]
fn a_streamer_that_stops_is_heard_of_at_the_webhook_and_so_is_its_return() -> Result<()> {
    let (pipeline, _, streamer, address) = served_pipeline()?;
    let (webhook, alerts) = webhook()?;
    let alertmanager_port = sandbox::free_port()?;
    let _alertmanager = start_alertmanager(alertmanager_port, &webhook)?;
    let (_prometheus, prometheus_url) = start_prometheus(&address, &address, alertmanager_port)?;

    wait_for_query(&prometheus_url, "up{job=\"streamer\"} == 1")?;
    // Before the first scrape nothing is known, which is an alert too.
    let firing = "ALERTS{alertname=\"StreamerDown\", alertstate=\"firing\"}";
    wait_until("it does not fire while the streamer answers", WAIT_TIMEOUT, || {
        ask(&prometheus_url, firing).is_ok_and(|answer| answer.is_empty())
    })?;
    let stopped_at = Utc::now();
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    let alert = wait_for_alert(&alerts, "StreamerDown", "firing", stopped_at)?;
    ensure!(alert["labels"]["severity"] == "critical", "{alert}");
    ensure!(alert["annotations"]["runbook_url"] == "docs/operations.md#verdicts", "{alert}");

    let port = address.rsplit(':').next().context("an address has a port")?;
    let flags = ["--flush-interval", "200ms", "--metrics-addr", &format!("127.0.0.1:{port}")];
    let _again = pipeline.start("streamer", &flags)?;
    wait_for_alert(&alerts, "StreamerDown", "resolved", stopped_at)?;
    Ok(())
}

/// Every runbook that an alert names is a section of the page, and the page knows every alert.
#[test]
fn every_alert_has_a_runbook() -> Result<()> {
    let rules = repository_file("deploy/prometheus/rules.yml")?;
    let page = repository_file("docs/operations.md")?;
    let headings: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
        .map(|heading| heading.to_lowercase().replace(' ', "-").replace(',', ""))
        .collect();
    let values = |key: &str| -> Vec<String> {
        let lines = rules.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.map(|value| value.trim().to_owned()).collect()
    };
    let (alerts, runbooks) = (values("- alert:"), values("runbook_url:"));
    ensure!(alerts.len() >= 9 && alerts.len() == runbooks.len(), "{alerts:?} {runbooks:?}");
    for runbook in runbooks {
        let section = runbook.strip_prefix("docs/operations.md#").context(runbook.clone())?;
        ensure!(headings.contains(section), "docs/operations.md has no section {section}");
    }
    for alert in alerts {
        ensure!(
            page.contains(&format!("| {alert} |")),
            "docs/operations.md has no row for {alert}"
        );
    }
    Ok(())
}

/// A Prometheus with our rules that scrapes these programs; and its address.
pub(super) fn start_prometheus(
    streamer: &str,
    producer: &str,
    alertmanager_port: u16,
) -> Result<(Tool, String)> {
    let files = folder()?;
    let target = |address: &str| address.trim_start_matches("http://").to_owned();
    let changes = [
        ("streamer:9464", target(streamer)),
        ("producer:9464", target(producer)),
        ("alertmanager:9093", format!("127.0.0.1:{alertmanager_port}")),
    ];
    write_changed(&files, "prometheus.yml", &changes)?;
    write_changed(&files, "rules.yml", &[])?;
    let port = sandbox::free_port()?;
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", &listen];
    let prometheus = Tool::start(&prometheus_program("prometheus")?, &flags, files)?;
    let url = format!("http://127.0.0.1:{port}");
    wait_until_ready(&prometheus, &url)?;
    Ok((prometheus, url))
}

fn start_alertmanager(port: u16, webhook: &str) -> Result<Tool> {
    let files = folder()?;
    let changes = [("http://host.docker.internal:9095/alerts", webhook.to_owned())];
    write_changed(&files, "alertmanager.yml", &changes)?;
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let flags = [
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        "--cluster.listen-address=", // it has no peers
        &listen,
    ];
    // Unlike Prometheus it must be installed: it looks for its templates in a fixed place.
    let alertmanager = Tool::start(&on_path(&["prometheus-alertmanager"])?, &flags, files)?;
    wait_until_ready(&alertmanager, &format!("http://127.0.0.1:{port}"))?;
    Ok(alertmanager)
}

fn wait_until_ready(tool: &Tool, url: &str) -> Result<()> {
    let is_ready = || get(&format!("{url}/-/ready")).is_ok_and(|(status, _)| status == 200);
    wait_until("it is ready", WAIT_TIMEOUT, is_ready).with_context(|| tool.log())
}

/// Writes a file of deploy/prometheus with these texts, which must be there, and its pauses changed.
fn write_changed(files: &TempDir, name: &str, changes: &[(&str, String)]) -> Result<()> {
    let mut text = repository_file(&format!("deploy/prometheus/{name}"))?;
    for (old, new) in changes {
        ensure!(text.contains(old), "{name} has no {old}");
        text = text.replace(old, new);
    }
    for (old, new) in PAUSES {
        text = text.replace(old, new);
    }
    Ok(fs::write(files.path().join(name), text)?)
}

/// Waits until a query has an answer.
pub(super) fn wait_for_query(prometheus_url: &str, query: &str) -> Result<()> {
    wait_until(query, WAIT_TIMEOUT, || {
        ask(prometheus_url, query).is_ok_and(|answer| !answer.is_empty())
    })
}

/// The samples that an instant query answers.
pub(super) fn ask(prometheus_url: &str, query: &str) -> Result<Vec<Value>> {
    let url = format!("{prometheus_url}/api/v1/query");
    let mut answer = super::client().get(&url).query("query", query).call()?;
    let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
    ensure!(answer["status"] == "success", "{query}: {answer}");
    Ok(answer["data"]["result"].as_array().context("a result is a list")?.clone())
}

/// A webhook; and the bodies that it gets.
fn webhook() -> Result<(String, Receiver<Value>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/alerts", listener.local_addr()?);
    let (outbox, inbox) = channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(body) = take_request(stream) else { continue };
            if outbox.send(body).is_err() {
                return;
            }
        }
    });
    Ok((url, inbox))
}

/// Reads one POST and answers it.
fn take_request(stream: TcpStream) -> Result<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer)?;
    Ok(serde_json::from_slice(&body)?)
}

/// The first such alert that comes and began since then.
fn wait_for_alert(
    alerts: &Receiver<Value>,
    name: &str,
    status: &str,
    since: DateTime<Utc>,
) -> Result<Value> {
    let deadline = Instant::now() + ALERT_TIMEOUT;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(group) = alerts.recv_timeout(left) else {
            bail!("no {name} {status} within {ALERT_TIMEOUT:?}; came: {seen:?}");
        };
        for alert in group["alerts"].as_array().context("alerts come in a list")? {
            let began: DateTime<Utc> = alert["startsAt"].as_str().unwrap_or_default().parse()?;
            if alert["labels"]["alertname"] == name && alert["status"] == status && began >= since {
                return Ok(alert.clone());
            }
            seen.push(alert.clone());
        }
    }
}
