//! `sandbox live`: the pipeline goes on until Ctrl-C, with the streamer's page to watch.
//!
//! Out: a line every few seconds of what was counted; the programs' own warnings. At Ctrl-C each program is
//! asked to end, the producer first: it delivers what it has, then the streamer stores what it has read.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use program::note;
use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::show;
use crate::pair::Pair;
use crate::programs::Programs;

/// Where README and the demo say that the page is.
const PAGE: &str = "127.0.0.1:9464";
/// How often a line says what was counted.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Subscribers that live and travel, at a rate that a reader can follow.
const PRODUCER: [&str; 4] = ["--scenario", "lifelike", "--rate", "200"];
const STREAMER: [&str; 4] = ["run", "--detect", "--flush-interval", "1s"];

pub(crate) async fn live() -> Result<ExitCode> {
    let programs = Programs::beside_this_one()?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    note("Starting a throw-away Kafka and PostgreSQL …");
    let pair = tokio::select! {
        pair = tokio::task::spawn_blocking(Pair::start) => pair.context("the start panicked")??,
        _ = interrupt.recv() => bail!("interrupted while starting"),
        _ = terminate.recv() => bail!("interrupted while starting"),
    };
    let page = page_address()?;
    let mut streamer = start(&programs, &pair, "streamer", &STREAMER, &["--metrics-addr", &page])?;
    let mut producer = start(&programs, &pair, "producer", &PRODUCER, &[])?;
    let url = pair.database_url();
    show(&format!("\nThe page:     http://{page}\nThe database: {url}\nCtrl-C ends all of it.\n"))?;
    let ended_early = tokio::select! {
        status = streamer.wait() => Some(("streamer", status)),
        status = producer.wait() => Some(("producer", status)),
        () = report(&url) => None,
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    for child in [&mut producer, &mut streamer] {
        terminate_and_wait(child).await?;
    }
    match ended_early {
        Some((name, status)) => bail!("{name} ended by itself: {}", status?),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The usual one, or another where that is taken.
fn page_address() -> Result<String> {
    match TcpListener::bind(PAGE) {
        Ok(_) => Ok(PAGE.to_owned()),
        Err(_) => sandbox::free_address(),
    }
}

fn start(
    programs: &Programs,
    pair: &Pair,
    name: &str,
    arguments: &[&str],
    more: &[&str],
) -> Result<Child> {
    show(&format!("$ {name} {}", [arguments, more].concat().join(" ")))?;
    let mut command = programs.command(pair, name);
    // Ctrl-C must not reach them before their turn.
    command.process_group(0);
    let mut command = Command::from(command);
    // What they say at every start is not news here; what goes wrong is.
    command.args(arguments).args(more).env("RUST_LOG", "warn").kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot run {name}"))
}

/// Says what was counted, for ever.
async fn report(database_url: &str) {
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        match counted(database_url).await {
            Ok((on_time, late, dead)) => {
                note(&format!(
                    "counted: {on_time} on time, {late} late, {dead} that can't be used"
                ));
            }
            Err(error) => note(&format!("not counted yet: {error:#}")),
        }
    }
}

async fn counted(database_url: &str) -> Result<(i64, i64, i64)> {
    let mut connection = PgConnection::connect(database_url).await?;
    let sums = sqlx::query_as(
        "SELECT COALESCE(SUM(on_time), 0)::bigint, COALESCE(SUM(late), 0)::bigint,
                COALESCE(SUM(dead), 0)::bigint
         FROM stream_progress",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(sums)
}

/// Asks a program to end, if it lives, and waits until it has.
async fn terminate_and_wait(child: &mut Child) -> Result<()> {
    if let Some(pid) = child.id() {
        let pid = pid.to_string();
        // It may have ended in this moment: then there is nobody to signal.
        Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .await
            .context("cannot run kill")?;
    }
    child.wait().await.context("cannot wait for a program's end")?;
    Ok(())
}
