//! Where reading begins, and with which rights.

use anyhow::Result;
use e2e::{Pipeline, Running, Scatter, Span, Topic, run};
use sandbox::{fresh_database, fresh_topic_name, kafka_bootstrap};

use crate::instant;

const FLUSH_OFTEN: [&str; 2] = ["--flush-interval", "100ms"];

#[test]
fn partitions_added_while_running_are_read_from_their_first_record() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let mut scatter = Scatter::new(11, 3, instant("2025-11-09T10:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(1_000))?;
    // What `latest` means for a topic never met must not mean it for partitions added later.
    let arguments = [FLUSH_OFTEN[0], FLUSH_OFTEN[1], "--start", "latest"];
    let mut streamer = pipeline.start("streamer", &arguments)?;
    streamer.wait_for_log("assigned")?;
    let first: Vec<i64> = pipeline.topic.spans()?.values().map(|span| span.next).collect();
    pipeline.topic.sender(&[])?.send(&scatter.take(1_000))?;
    pipeline.wait_until_caught_up()?;

    pipeline.topic.grow_to(6)?;
    let mut wider = Scatter::new(12, 6, instant("2025-11-09T12:00:00Z"));
    pipeline.topic.sender(&[])?.send(&wider.take(2_000))?;
    pipeline.wait_until_caught_up()?;
    assert!(streamer.is_alive(), "nobody has restarted it");
    stop(streamer)?;

    let mut spans = pipeline.topic.spans()?;
    for (span, first) in spans.values_mut().zip(first) {
        span.first = first;
    }
    let expected = pipeline.expect_recomputed_over(&spans)?;
    assert!((3..6).all(|partition| expected.accounts[&partition].on_time > 0));
    Ok(())
}

#[test]
fn latest_skips_what_was_there_at_the_first_start_and_nothing_after_it() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let mut scatter = Scatter::new(13, 3, instant("2025-11-09T10:00:00Z"));
    let mut sender = pipeline.topic.sender(&[])?;
    sender.send(&scatter.take(1_000))?;
    let before = pipeline.topic.spans()?;
    pipeline.run("streamer", &["--drain", "--start", "latest"])?.expect(0)?;
    assert_eq!(pipeline.database.number("SELECT COUNT(*) FROM real_time_metrics")?, 0);

    // Nobody reads: these wait, whatever the next start says.
    sender.send(&scatter.take(1_000))?;
    pipeline.run("streamer", &["--drain", "--start", "latest"])?.expect(0)?;
    let spans = pipeline.topic.spans()?;
    let since = |(&id, span): (&i32, &Span)| (id, Span { first: before[&id].next, ..*span });
    pipeline.expect_recomputed_over(&spans.iter().map(since).collect())?;
    Ok(())
}

#[test]
fn a_role_that_may_not_create_can_run_on_a_schema_that_is_up_to_date() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    let role = fresh_topic_name();
    pipeline.database.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'least';
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         GRANT INSERT, UPDATE ON settings, stream_progress, real_time_metrics, late_metrics,
                                 dead_letters, day_ledger, subscriber_sketches, batch_runs,
                                 log_marks, pattern_gaps TO {role};
         GRANT INSERT, UPDATE, DELETE ON daily_stats TO {role}"
    ))?;
    let owner_url = pipeline.database.url().to_owned();
    let (_, server) = owner_url.split_once('@').expect("an address with a password");
    let url = format!("postgres://{role}:least@{server}");
    let as_role = [("DATABASE_URL", url.as_str())];

    let events = Scatter::new(14, 3, instant("2025-11-09T10:00:00Z")).take(2_000);
    pipeline.topic.sender(&[])?.send(&events)?;
    pipeline.start_with("streamer", &["--drain"], &as_role)?.end()?.expect(0)?;
    run("batcher", &["2025-11-09"], &as_role)?.expect(0)?;
    run("streamer", &["verify"], &as_role)?.expect(0)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn the_programs_make_the_topic_and_the_tables_that_are_not_there() -> Result<()> {
    let name = fresh_topic_name();
    let url = fresh_database()?;
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap()?),
        ("KAFKA_TOPIC", &name),
        ("KAFKA_GROUP_ID", &name),
        ("DATABASE_URL", &url),
    ];
    // Two first starts at once, as `docker compose up` does it.
    let drains = [
        Running::start("streamer", &["--drain"], &variables)?,
        Running::start("streamer", &["--drain"], &variables)?,
    ];
    for drain in drains {
        drain.end()?.expect(0)?;
    }
    let arguments = ["--from", "2025-11-09", "--to", "2025-11-10", "--count", "500"];
    run("producer", &arguments, &variables)?.expect(0)?;
    run("streamer", &["--drain"], &variables)?.expect(0)?;
    let mut pipeline = Pipeline {
        topic: Topic::at(kafka_bootstrap()?, &name),
        database: e2e::Database::at(&url)?,
    };
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.accounts.len(), 3);
    assert_eq!(expected.accounts.values().map(|account| account.on_time).sum::<i64>(), 500);
    Ok(())
}

fn stop(streamer: Running) -> Result<()> {
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    Ok(())
}
