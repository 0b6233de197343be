//! `streamer detect`, and `run --detect`: judges again and again what became complete.
//!
//! In: the tables, one pass after the other, each in one transaction ([`passes::detect_pass`]). Out: rows of
//! `anomalies`, a log line for each incident that opens or closes, metrics. Two of them at once do the work
//! of one. Nothing here touches the workers.

mod args;
pub mod passes;

mod metrics;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::NaiveDateTime;
use program::seconds_since_1970 as now;
use program::{
    Align, DatabaseArgs, Reply, Table, ThreadExecutor, chain, duration_text, metrics_text, print,
    serve,
};
use store::{PgConnection, Session, StoreError};

pub use self::args::{DetectArgs, DetectionArgs};
pub use self::metrics::{DetectorMetrics, METRICS};
pub(crate) use self::metrics::{OPEN_SHOWN_MAX, set_anomalies};
use self::passes::{Pass, PassReport};
use crate::Exit;

/// Pause before a pass is tried again that another detector's was in the way of.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// A pass that takes longer is given up.
const PASS_DEADLINE: Duration = Duration::from_secs(60);
/// /readyz is content with a pass that is this much older than the interval.
const PASS_AGE_MARGIN: Duration = Duration::from_secs(120);

/// Judges until `shutdown` completes, or once. A pass that `shutdown` interrupts has not taken place: its
/// transaction ends with its session.
///
/// # Errors
/// The database is away for longer than `--wait`, or what no waiting cures: a missing right, another schema.
pub async fn detect(args: &DetectArgs, shutdown: impl Future<Output = ()>) -> anyhow::Result<Exit> {
    let metrics = DetectorMetrics::new();
    let _serving = serve_metrics(args, &metrics).await?;
    tokio::select! {
        ended = work(args, metrics) => ended,
        () = shutdown => Ok(if args.once { Exit::Failed } else { Exit::Done }),
    }
}

async fn work(args: &DetectArgs, metrics: DetectorMetrics) -> anyhow::Result<Exit> {
    let url = args.database.database_url.expose();
    let mut connection = store::connect_within(url, Session::Control, args.wait).await?;
    store::ensure_schema(&mut connection).await?;
    if args.once {
        return once(args, &mut connection, &metrics).await;
    }
    let mut detector = Detector::new(&args.detection, url, metrics);
    detector.connection = Some(connection);
    loop {
        let pause = match detector.pass().await {
            Ok(pause) => pause,
            // Waiting does not bring a missing right, or a newer schema.
            Err(error) if !error.is_retryable() => return Err(error.into()),
            Err(error) => detector.failed(error),
        };
        tokio::time::sleep(pause).await;
    }
}

/// The same beside a streamer's workers, on a thread of its own that nobody waits for. It never ends by
/// itself: counting does not depend on it.
///
/// # Errors
/// The system gives no thread.
pub fn spawn(
    detection: DetectionArgs,
    database: &DatabaseArgs,
    metrics: DetectorMetrics,
) -> anyhow::Result<()> {
    let executor = ThreadExecutor::new()?;
    let url = database.database_url.clone();
    let work = move || {
        executor.block_on(async {
            let mut detector = Detector::new(&detection, url.expose(), metrics);
            loop {
                let pause = match detector.pass().await {
                    Ok(pause) => pause,
                    Err(error) => detector.failed(error),
                };
                tokio::time::sleep(pause).await;
            }
        });
    };
    std::thread::Builder::new()
        .name("detector".to_owned())
        .spawn(work)
        .context("starting the detector's thread")?;
    Ok(())
}

/// Judges all that is complete, and says what is unusual.
async fn once(
    args: &DetectArgs,
    connection: &mut PgConnection,
    metrics: &DetectorMetrics,
) -> anyhow::Result<Exit> {
    let deadline = Instant::now() + args.wait;
    loop {
        let pass = args.detection.pass(connection).await?;
        metrics.passed(&pass);
        match pass {
            Pass::Judged(report) => {
                log_changes(&report);
                if !report.is_behind {
                    print(summary(&report))?;
                    return Ok(Exit::Done);
                }
            }
            Pass::NothingComplete => {
                print("nothing is complete yet: no streamer has read all partitions\n")?;
                return Ok(Exit::Done);
            }
            Pass::Busy => {
                anyhow::ensure!(
                    Instant::now() < deadline,
                    "another detector has been at work for {}; it does the same, or raise --wait",
                    duration_text(args.wait)
                );
                tokio::time::sleep(BUSY_PAUSE).await;
            }
        }
    }
}

/// Makes passes, each on the session of the one before unless that failed.
struct Detector<'a> {
    detection: &'a DetectionArgs,
    database_url: &'a str,
    connection: Option<PgConnection>,
    metrics: DetectorMetrics,
}

impl<'a> Detector<'a> {
    fn new(detection: &'a DetectionArgs, database_url: &'a str, metrics: DetectorMetrics) -> Self {
        Detector { detection, database_url, connection: None, metrics }
    }

    /// Makes a pass; returns how long to wait for the next one.
    async fn pass(&mut self) -> Result<Duration, StoreError> {
        let passing = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => store::connect(self.database_url, Session::Control).await?,
            };
            let pass = self.detection.pass(&mut connection).await?;
            // Only a session on which all went well is used again.
            self.connection = Some(connection);
            Ok(pass)
        };
        let pass = tokio::time::timeout(PASS_DEADLINE, passing)
            .await
            .unwrap_or(Err(StoreError::NoAnswer(PASS_DEADLINE)))?;
        self.metrics.passed(&pass);
        let Pass::Judged(report) = pass else { return Ok(self.detection.detect_interval) };
        log_changes(&report);
        let is_behind = report.is_behind;
        Ok(if is_behind { Duration::ZERO } else { self.detection.detect_interval })
    }

    fn failed(&mut self, error: StoreError) -> Duration {
        self.metrics.failed();
        let pause = self.detection.detect_interval;
        let error = chain(&error.into());
        tracing::warn!(retry_in = duration_text(pause), %error, "unusual traffic was not looked for");
        pause
    }
}

fn log_changes(report: &PassReport) {
    for incident in &report.changed {
        let change = match incident.closed {
            Some(_) => "is over",
            None if is_new(report, incident) => "has begun",
            None => continue,
        };
        tracing::info!(
            region = incident.series.region,
            event_type = incident.series.event_type,
            measure = incident.measure.name(),
            direction = incident.direction.name(),
            from = %incident.first.start(),
            observed = incident.peak.observed,
            expected = format!("{:.1}", incident.peak.expected),
            also_moved = also_moved(incident),
            "an anomaly {change}"
        );
    }
    tracing::debug!(
        windows = report.windows,
        judged_through = %report.judged_through,
        series = ?report.series,
        "judged, too small to judge, warming up"
    );
}

/// Whether the pass itself opened an incident.
fn is_new(report: &PassReport, incident: &anomaly::Incident) -> bool {
    let judged_before =
        anomaly::DetectionWindow::holding(report.judged_through).plus(-(report.windows as i64));
    incident.opened >= judged_before
}

fn summary(report: &PassReport) -> String {
    let [judged, small, warming_up] = report.series;
    let line = format!(
        "judged through {} UTC: {judged} series judged, {small} too small to judge, {warming_up} warming up\n",
        report.judged_through
    );
    if report.open.is_empty() {
        return format!("{line}nothing is unusual\n");
    }
    let mut table = Table::new([
        ("region", Align::Left),
        ("event type", Align::Left),
        ("of it", Align::Left),
        ("unusually", Align::Left),
        ("since (UTC)", Align::Left),
        ("at worst", Align::Right),
        ("expected", Align::Right),
        ("deviations", Align::Right),
        ("also moved", Align::Left),
    ]);
    for incident in &report.open {
        let shown = |text: &str| event_model::visible(text, usize::MAX);
        let since: NaiveDateTime = incident.first.start();
        table.push([
            shown(&incident.series.region),
            shown(&incident.series.event_type),
            incident.measure.name().to_owned(),
            incident.direction.name().to_owned(),
            since.to_string(),
            incident.peak.observed.to_string(),
            format!("{:.1}", incident.peak.expected),
            format!("{:+.1}", incident.peak.score),
            also_moved(incident),
        ]);
    }
    format!("{line}{table}")
}

/// What else moved, in words: `Osh sms 12 instead of 40.1 events; …`.
fn also_moved(incident: &anomaly::Incident) -> String {
    let words = incident.moved.iter().map(|it| {
        let shown = |text: &str| event_model::visible(text, usize::MAX);
        let (region, event_type) = (shown(&it.region), shown(&it.event_type));
        let (observed, expected, measure) = (it.observed, it.expected, it.measure.name());
        format!("{region} {event_type} {observed} instead of {expected:.1} {measure}")
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Serves what the detector counts, and whether it works.
async fn serve_metrics(
    args: &DetectArgs,
    metrics: &DetectorMetrics,
) -> anyhow::Result<Option<program::Serving>> {
    let Some(address) = args.metrics.metrics_addr.as_deref() else { return Ok(None) };
    let metrics = metrics.clone();
    let patience = (args.detection.detect_interval + PASS_AGE_MARGIN).as_secs_f64();
    let answer = move |path: &str| {
        let age = now() - metrics.last_pass_at();
        match path {
            "/metrics" => {
                let latest = metrics.latest();
                let mut registries = vec![&metrics.registry];
                registries.extend(latest.as_deref());
                Some(Reply::metrics(metrics_text(&registries)))
            }
            "/healthz" => Some(Reply::text(true, "alive")),
            "/readyz" if age <= patience => Some(Reply::text(true, "ready")),
            "/readyz" => Some(Reply::text(false, "no pass has succeeded lately")),
            _ => None,
        }
    };
    serve(address, answer).await.map(Some)
}
