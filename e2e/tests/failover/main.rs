//! PostgreSQL that fails over: a real primary and a real standby, which takes over. DATABASE_URL names
//! both; nobody restarts a program.
//!
//! What the standby has not got is lost together with its positions, and read again from Kafka: so the
//! figures are those of an independent recount whatever was lost.

use std::time::Instant;

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use e2e::{Database, Pipeline, Running, Scatter, WAIT_TIMEOUT, url_of_both};
use sandbox::{Postgres, wait_until};

const PARTITIONS: i32 = 3;
const DATABASE: &str = "failover";

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// A primary, its standby, and a pipeline that knows both.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    both: String,
    pipeline: Pipeline,
    scatter: Scatter,
}

impl Pair {
    fn start(seed: u64) -> Result<Pair> {
        let mut primary = Postgres::start()?;
        let url = primary.create_database(DATABASE)?;
        let standby = primary.standby()?;
        let pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
        let both = url_of_both(&url, &standby.url(DATABASE));
        Ok(Pair {
            primary,
            standby,
            both,
            pipeline,
            scatter: Scatter::new(seed, PARTITIONS, noon()),
        })
    }

    fn streamer(&self, more: &[(&str, &str)]) -> Result<Running> {
        let mut variables = vec![("DATABASE_URL", self.both.as_str())];
        variables.extend(more);
        self.pipeline.start_with("streamer", &["--flush-interval", "100ms"], &variables)
    }

    /// Changes a setting of the running primary.
    fn set_at_primary(&mut self, name: &str, value: &str) -> Result<()> {
        self.pipeline.database.execute(&format!("ALTER SYSTEM SET {name} = {value}"))?;
        self.pipeline.database.execute("SELECT pg_reload_conf()")
    }

    fn send(&mut self, count: usize) -> Result<()> {
        let records = self.scatter.take(count);
        self.pipeline.topic.sender(&[])?.send(&records)
    }

    /// Waits until the standby shows what the primary has now.
    fn wait_for_standby(&mut self) -> Result<()> {
        let mut follower = Database::at(&self.standby.url(DATABASE))?;
        let here = self.pipeline.database.positions();
        wait_until("the standby follows", WAIT_TIMEOUT, || follower.positions() == here)
    }

    /// From now on the pipeline's tables are the standby's.
    fn look_at_standby(&mut self) -> Result<()> {
        self.pipeline.database = Database::at(&self.standby.url(DATABASE))?;
        Ok(())
    }

    /// Promotes the standby, whose tables the pipeline's are by now, and waits for the first flush there. Records that
    /// are not stored yet must be waiting. Says how long that took: the recovery time of docs/high-availability.md.
    fn promote_and_wait_for_a_flush(&mut self) -> Result<String> {
        let before = self.pipeline.database.progress();
        let promoted = Instant::now();
        self.standby.promote()?;
        self.pipeline.wait_for_progress_from(before)?;
        Ok(format!("first flush {:.1} s after the promotion", promoted.elapsed().as_secs_f64()))
    }

    fn expect_recomputed_and_stop(mut self, streamer: Running) -> Result<()> {
        self.send(5_000)?;
        self.pipeline.wait_until_caught_up()?;
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
        self.pipeline.expect_recomputed()?;
        Ok(())
    }
}

#[test]
fn what_an_asynchronous_standby_lacks_is_counted_again_when_it_takes_over() -> Result<()> {
    let mut pair = Pair::start(71)?;
    let streamer = pair.streamer(&[])?;
    pair.send(5_000)?;
    pair.pipeline.wait_until_caught_up()?;
    pair.wait_for_standby()?;
    // The standby is cut off, and the primary goes on alone.
    pair.standby.stop(false)?;
    pair.send(5_000)?;
    pair.pipeline.wait_until_caught_up()?;
    let stored_at_primary = pair.pipeline.database.progress();

    pair.primary.stop(true)?;
    streamer.wait_for_log("flush not stored")?;
    pair.standby.restart()?;
    pair.look_at_standby()?;
    let stored_at_standby = pair.pipeline.database.progress();
    ensure!(
        stored_at_standby < stored_at_primary,
        "the standby lacks nothing: the test shows nothing"
    );
    println!("{}", pair.promote_and_wait_for_a_flush()?);
    pair.expect_recomputed_and_stop(streamer)
}

#[test]
fn a_flush_that_waits_for_the_standby_loses_nothing_to_a_failover() -> Result<()> {
    let mut pair = Pair::start(72)?;
    pair.set_at_primary("synchronous_standby_names", "standby")?;
    let streamer = pair.streamer(&[("FLUSH_SYNCHRONOUS_COMMIT", "remote_apply")])?;
    pair.send(5_000)?;
    pair.pipeline.wait_until_caught_up()?;
    let stored = pair.pipeline.database.positions();
    pair.primary.stop(true)?;
    pair.look_at_standby()?;
    ensure!(pair.pipeline.database.positions() == stored, "a flush that was stored is not there");
    pair.send(5_000)?;
    streamer.wait_for_log("flush not stored")?;
    println!("{}", pair.promote_and_wait_for_a_flush()?);
    pair.expect_recomputed_and_stop(streamer)
}

#[test]
fn a_primary_that_can_no_longer_be_written_to_is_left_for_the_next() -> Result<()> {
    let mut pair = Pair::start(73)?;
    let streamer = pair.streamer(&[])?;
    pair.send(5_000)?;
    pair.pipeline.wait_until_caught_up()?;
    pair.wait_for_standby()?;
    pair.standby.promote()?;
    // Two live servers that are no standby: the first that can be written to is the one.
    pair.set_at_primary("default_transaction_read_only", "on")?;
    pair.send(5_000)?;
    streamer.wait_for_log("nothing may be written here")?;
    pair.look_at_standby()?;
    pair.expect_recomputed_and_stop(streamer)
}

#[test]
fn while_no_server_can_be_written_to_a_start_says_what_each_is() -> Result<()> {
    let mut pair = Pair::start(74)?;
    pair.primary.stop(false)?;
    let variables = [("DATABASE_URL", pair.both.as_str()), ("WAIT", "1s")];
    let ended = pair.pipeline.start_with("streamer", &["--drain"], &variables)?.end()?.expect(1)?;
    let said = ended.log;
    ensure!(said.contains("target_session_attrs=read-write"), "{said}");
    ensure!(said.contains("it follows another server"), "{said}");
    ensure!(said.contains("refused"), "{said}");
    Ok(())
}
