//! `streamer status`: is the pipeline healthy, and if not, what is in the way?
//!
//! ```text
//!   PostgreSQL ─┐
//!               ├─ gather ─► Observation ─ judge ─► Report ─► text | json
//!   Kafka ──────┘                        (pure)
//! ```
//!
//! In: what both servers say, each asked for a bounded time (I-6). Out: a verdict with its reason,
//! and where every partition stands. Needs no streamer, and changes nothing.

mod gather;
mod json;
mod judge;
mod text;

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use program::{Reader, print};

pub(crate) use self::gather::Observer;
pub(crate) use self::json::{Document, document, instant};
pub(crate) use self::judge::{Report, Verdict, pipeline_report};
use crate::Exit;
use crate::config::StatusArgs;

/// Pause between two looks with `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal and moves to its top left corner.
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";

/// Looks once, or with `--watch` until `shutdown` completes or nobody reads any more. The exit is that of the last look.
pub(crate) async fn status(
    args: &StatusArgs,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    let observer = Observer::new(&args.kafka, &args.database, args.wait);
    let (mut exit, mut reader) = look(args, &observer, "").await?;
    if !args.watch {
        return Ok(exit);
    }
    let between = match (args.json, std::io::stdout().is_terminal()) {
        (true, _) => "",
        (false, true) => CLEAR_SCREEN,
        (false, false) => "\n",
    };
    tokio::pin!(shutdown);
    while reader == Reader::Present {
        let next_look = async {
            tokio::time::sleep(WATCH_EVERY).await;
            look(args, &observer, between).await
        };
        (exit, reader) = tokio::select! {
            looked = next_look => looked?,
            () = &mut shutdown => return Ok(exit),
        };
    }
    Ok(exit)
}

async fn look(
    args: &StatusArgs,
    observer: &Observer,
    before: &str,
) -> anyhow::Result<(Exit, Reader)> {
    let report = pipeline_report(observer.observe().await, args.stalled_after());
    let text = if args.json { json::line(&report) } else { text::page(&report) };
    let reader = print(format!("{before}{text}"))?;
    Ok((report.verdict.exit(), reader))
}
