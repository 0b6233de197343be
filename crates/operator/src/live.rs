//! What `--metrics-addr` serves: metrics, health, and a page that shows the pipeline live.
//!
//! ```text
//!   PostgreSQL, Kafka ──► observer ──► Snapshot ─┐
//!                         (every 5 s)            ├─► /  /live.json  /day.json  /metrics  /healthz  /readyz
//!   workers ───────────────────────► Process ────┘
//! ```
//!
//! Every answer comes from memory, at once, also while a server is away: then it says so. Keeps I-6:
//! there is one observer, whoever asks and however often. Nothing here touches the workers.

pub mod cases;
pub mod figures;
pub mod last_day;

mod args;
mod document;
mod health;
mod metrics;
mod minutely;
mod night;
mod observer;
mod page;
mod pipeline;
mod snapshot;
mod sums;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use program::{
    DatabaseArgs, KafkaArgs, Registry, Reply, Serving, metrics_text, seconds_since_1970 as now,
    serve,
};

pub use self::args::LinkArgs;
use self::health::Patience;
pub use self::health::WorkerSeen;
pub use self::metrics::METRICS;
use self::snapshot::Snapshot;
pub use self::sums::Sums;
use crate::detect::DetectorMetrics;

/// The newest look at the pipeline; `None`: there was none yet.
type Latest = RwLock<Option<Arc<Snapshot>>>;

/// What the page and its metrics are about.
#[derive(Clone, Debug)]
pub struct LiveArgs {
    /// Where they are served: host:port.
    pub address: String,
    /// The topic, and where Kafka is.
    pub kafka: KafkaArgs,
    /// Where PostgreSQL is.
    pub database: DatabaseArgs,
    /// How often this process writes its results.
    pub flush_interval: Duration,
    /// The name of each of this process's workers, as `stream_progress.owner` has it.
    pub owners: Vec<String>,
    /// Where the page links to.
    pub links: LinkArgs,
}

/// What is asked of the process that serves the page. Answered from memory, at once.
pub trait Process: Send + Sync {
    /// Its workers, in the order of [`LiveArgs::owners`].
    fn workers(&self) -> Vec<WorkerSeen>;
    /// What it counts.
    fn registry(&self) -> &Registry;
}

/// Listens, and begins to look; both end when the result is dropped.
///
/// # Errors
/// The address can't be listened at, or the system gives no thread.
pub async fn serve_live(
    args: LiveArgs,
    process: impl Process + 'static,
    detector: Option<&DetectorMetrics>,
) -> anyhow::Result<Serving> {
    let latest = Arc::new(Latest::default());
    let patience = Patience::of(args.flush_interval);
    let detector = detector.cloned();
    let links = args.links.clone();
    let answers = Answers { latest: Arc::clone(&latest), process, detector, patience, links };
    let serving = serve(&args.address, move |path| answers.answer(path)).await?;
    tracing::info!(url = %format_args!("http://{}/", serving.address()), "the page is served");
    observer::spawn(args, Arc::downgrade(&latest))?;
    Ok(serving)
}

/// What every answer is made of.
struct Answers<P> {
    latest: Arc<Latest>,
    process: P,
    detector: Option<DetectorMetrics>,
    patience: Patience,
    links: LinkArgs,
}

impl<P: Process> Answers<P> {
    fn answer(&self, path: &str) -> Option<Reply> {
        let latest = self.latest.read().ok().and_then(|latest| latest.clone());
        match path {
            "/" => Some(Reply {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: page::PAGE.as_bytes().to_vec(),
            }),
            "/live.json" => Some(Reply {
                status: 200,
                content_type: "application/json",
                body: document::render(latest.as_deref(), &self.links),
            }),
            "/day.json" => Some(Reply {
                status: 200,
                content_type: "application/json",
                body: latest.map(|snapshot| snapshot.day.clone()).unwrap_or_default().json(),
            }),
            "/metrics" => {
                let mut registries = vec![self.process.registry()];
                registries.extend(self.detector.as_ref().map(|detector| &detector.registry));
                registries.extend(latest.as_deref().map(|snapshot| &snapshot.registry));
                Some(Reply::metrics(metrics_text(&registries)))
            }
            "/healthz" => Some(reply(health::is_alive(&self.process.workers(), now()))),
            "/readyz" => {
                let workers = self.process.workers();
                let is_alive = health::is_alive(&workers, now());
                let is_ready = is_alive.and_then(|_| {
                    health::is_ready(&workers, latest.as_deref(), self.patience, now())
                });
                Some(reply(is_ready))
            }
            _ => None,
        }
    }
}

fn reply(judgement: Result<String, String>) -> Reply {
    match judgement {
        Ok(line) => Reply::text(true, &line),
        Err(line) => Reply::text(false, &line),
    }
}
