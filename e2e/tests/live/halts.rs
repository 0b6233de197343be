//! Partitions that can't go on: each halts alone and says why, the others do not wait for it, and
//! when the cause is gone it goes on where it stood. (How a log can be lost is in `tests/losses`.)

use anyhow::Result;
use e2e::{Pipeline, RawRecord, SLOW_READER, Scatter, WAIT_TIMEOUT, event};
use sandbox::wait_until;
use serde_json::json;

use crate::instant;

const PARTITIONS: i32 = 3;

/// Good events in every partition, and in partition 1 some of a region that is in no other.
fn fill(pipeline: &Pipeline) -> Result<()> {
    let mut records = Scatter::new(41, PARTITIONS, instant("2025-11-09T10:00:00Z")).take(3_000);
    let at = instant("2025-11-09T10:05:00Z");
    for place in [500, 1_500, 2_500] {
        records.insert(place, RawRecord::of(1, event("call", "Osh", at, json!({}))));
    }
    pipeline.topic.sender(&[])?.send(&records)
}

/// A refusal that a user of the database can add, and how to take it back.
struct Refusal {
    add: &'static str,
    drop: &'static str,
    sqlstate: &'static str,
}

const CONSTRAINT: Refusal = Refusal {
    add: "ALTER TABLE real_time_metrics ADD CONSTRAINT no_osh CHECK (region <> 'Osh')",
    drop: "ALTER TABLE real_time_metrics DROP CONSTRAINT no_osh",
    sqlstate: "23514",
};

const TRIGGER: Refusal = Refusal {
    add: "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN RAISE 'not this region' USING ERRCODE = '22023'; END $$;
          CREATE TRIGGER refuse BEFORE INSERT ON real_time_metrics
          FOR EACH ROW WHEN (NEW.region = 'Osh') EXECUTE FUNCTION refuse()",
    drop: "DROP TRIGGER refuse ON real_time_metrics",
    sqlstate: "22023",
};

#[test]
fn what_the_database_refuses_halts_its_partition_and_names_the_row() -> Result<()> {
    for refusal in [CONSTRAINT, TRIGGER] {
        let mut pipeline = Pipeline::new(PARTITIONS)?;
        pipeline.run("streamer", &["migrate"])?.expect(0)?;
        pipeline.database.execute(refusal.add)?;
        fill(&pipeline)?;
        pipeline.run("streamer", &["--drain"])?.expect(3)?;

        let halted = pipeline.database.halted()?;
        assert_eq!(halted.keys().collect::<Vec<_>>(), [&1], "{halted:?}");
        for part in [refusal.sqlstate, "real_time_metrics", "call", "Osh"] {
            assert!(halted[&1].contains(part), "{part:?} in {:?}", halted[&1]);
        }
        let (positions, ends) = (pipeline.database.positions(), pipeline.topic.spans()?);
        assert!([0, 2].iter().all(|other| positions[other] == ends[other].next));
        let spans = pipeline.stored_spans()?;
        pipeline.expect_recomputed_over(&spans)?;

        pipeline.database.execute(refusal.drop)?;
        pipeline.drain()?;
        assert!(pipeline.database.halted()?.is_empty());
        pipeline.expect_recomputed()?;
    }
    Ok(())
}

#[test]
fn a_slow_reader_that_retention_overtakes_halts_there_and_the_others_go_on() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(42, PARTITIONS, instant("2025-11-09T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(60_000))?;
    let records = pipeline.topic.records()?;
    let overtaken_at = pipeline.topic.spans()?[&2].next - 1;

    let variables = [("KAFKA_PROPERTIES", SLOW_READER)];
    let flush_often = ["--flush-interval", "100ms"];
    let mut streamer = pipeline.start_with("streamer", &flush_often, &variables)?;
    wait_until("the partition is read", WAIT_TIMEOUT, || {
        pipeline.database.positions().get(&2).is_some_and(|position| *position > 0)
    })?;
    pipeline.topic.delete_before(2, overtaken_at)?;
    wait_until("the partition halts", WAIT_TIMEOUT, || {
        pipeline.database.halted().is_ok_and(|halted| halted.contains_key(&2))
    })?;
    assert!(streamer.is_alive(), "it goes on with the others");
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    pipeline.run("streamer", &["--drain"])?.expect(3)?;

    let (positions, halted) = (pipeline.database.positions(), pipeline.database.halted()?);
    assert_eq!(halted.keys().collect::<Vec<_>>(), [&2], "{halted:?}");
    assert!(
        (1..overtaken_at).contains(&positions[&2]),
        "overtaken while it read: {positions:?} {overtaken_at}"
    );
    assert!(halted[&2].contains(&positions[&2].to_string()), "the lost range: {halted:?}");
    // What the log has lost since is known from before.
    let spans = pipeline.stored_spans()?;
    pipeline.expect(&e2e::oracle::recompute(&records, &spans))
}
