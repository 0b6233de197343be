//! What `--metrics-addr` serves: metrics, health, and a page that shows the pipeline live.
//!
//! ```text
//!   PostgreSQL, Kafka ──► observer ──► Snapshot ─┐
//!                         (every 5 s)            ├─► /  /live.json  /metrics  /healthz  /readyz
//!   workers ──────────────────► ProcessMetrics ──┘
//! ```
//!
//! Every answer comes from memory, at once, also while a server is away: then it says so. Keeps I-6:
//! there is one observer, whoever asks and however often. Nothing here touches the workers.

mod document;
mod health;
mod observer;
mod pipeline;

use std::sync::{Arc, RwLock};

use program::{Reply, Serving, metrics_text, serve};

use self::health::Patience;
use self::observer::Snapshot;
use crate::config::RunArgs;
use crate::detect::DetectorMetrics;
use crate::metrics::{ProcessMetrics, now};

/// The page. It brings its style and its script along, and asks /live.json alone.
const PAGE: &str = include_str!("live/page.html");

/// The newest look at the pipeline; `None`: there was none yet.
type Latest = RwLock<Option<Arc<Snapshot>>>;

/// Listens, and begins to look; both end when the result is dropped. Without `--metrics-addr` there
/// is nothing at all.
pub(crate) async fn serve_live(
    args: &RunArgs,
    metrics: &ProcessMetrics,
    detector: Option<&DetectorMetrics>,
) -> anyhow::Result<Option<Serving>> {
    let Some(address) = args.metrics.metrics_addr.as_deref() else { return Ok(None) };
    let latest = Arc::new(Latest::default());
    let patience = Patience::of(args.flush_interval);
    let (metrics, detector) = (metrics.clone(), detector.cloned());
    let answers = Answers { latest: Arc::clone(&latest), metrics, detector, patience };
    let serving = serve(address, move |path| answers.answer(path)).await?;
    tracing::info!("the page at http://{}/", serving.address());
    observer::spawn(args.clone(), Arc::downgrade(&latest))?;
    Ok(Some(serving))
}

/// What every answer is made of.
struct Answers {
    latest: Arc<Latest>,
    metrics: ProcessMetrics,
    detector: Option<DetectorMetrics>,
    patience: Patience,
}

impl Answers {
    fn answer(&self, path: &str) -> Option<Reply> {
        let latest = self.latest.read().ok().and_then(|latest| latest.clone());
        match path {
            "/" => Some(Reply {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: PAGE.as_bytes().to_vec(),
            }),
            "/live.json" => Some(Reply {
                status: 200,
                content_type: "application/json",
                body: document::render(latest.as_deref()),
            }),
            "/metrics" => {
                let mut registries = vec![&self.metrics.registry];
                registries.extend(self.detector.as_ref().map(|detector| &detector.registry));
                registries.extend(latest.as_deref().map(|snapshot| &snapshot.registry));
                Some(Reply::metrics(metrics_text(&registries)))
            }
            "/healthz" => Some(reply(health::is_alive(&self.metrics, now()))),
            "/readyz" => {
                let is_alive = health::is_alive(&self.metrics, now());
                let is_ready = is_alive.and_then(|_| {
                    health::is_ready(&self.metrics, latest.as_deref(), self.patience, now())
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
