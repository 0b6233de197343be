//! real_time_metrics that an operator has partitioned: the programs go on as before, and days whose minutes have expired go by
//! dropping their parts.

use anyhow::Result;
use e2e::{Pipeline, daily_rows, oracle::recompute_day};

const DEFINITIONS: &str = include_str!("../../../deploy/partitioned-minutes.sql");
const ROLES: &str = include_str!("../../../deploy/roles.sql");

/// The parts by name, in order, with their rows.
fn parts(pipeline: &mut Pipeline) -> Result<Vec<(String, i64)>> {
    use sqlx::Row;
    let rows = pipeline.database.rows(
        "SELECT inhrelid::regclass::text, (SELECT COUNT(*) FROM real_time_metrics m WHERE m.tableoid = inhrelid)
         FROM pg_inherits WHERE inhparent = 'real_time_metrics'::regclass ORDER BY 1",
    )?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn names(parts: &[(String, i64)]) -> Vec<&str> {
    parts.iter().map(|(name, _)| name.trim_start_matches("real_time_metrics_")).collect()
}

#[test]
fn the_programs_go_on_when_an_operator_has_partitioned_the_minutes() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let produce = |pipeline: &Pipeline, from: &str, to: &str| -> Result<()> {
        let arguments = ["--from", from, "--to", to, "--seed", "3", "--base-rate", "0.2"];
        pipeline.run("producer", &arguments)?.expect(0)?;
        Ok(())
    };
    produce(&pipeline, "2025-11-07", "2025-11-08T12:00:00Z")?;
    pipeline.drain()?;
    pipeline.database.execute(ROLES)?;
    // Somebody else's row, and somebody's view.
    pipeline.database.execute(
        "INSERT INTO real_time_metrics (event_type, region, event_count) VALUES ('call', 'without a time', 1);
         CREATE VIEW of_a_user WITH (security_invoker = true) AS SELECT * FROM real_time_metrics",
    )?;
    let granted = "SELECT COUNT(*) FROM pg_class, aclexplode(relacl)
                   WHERE oid = 'real_time_metrics'::regclass AND grantee <> relowner";
    let (rights, rows) = (pipeline.database.number(granted)?, "SELECT COUNT(*) FROM of_a_user");
    assert!(rights > 0, "the roles have rights on the table");

    // The second half of the eighth's rows move out of the old table, while a streamer runs.
    let streamer = pipeline.start("streamer", &["--flush-interval", "20ms"])?;
    pipeline.database.execute(DEFINITIONS)?;
    pipeline.database.execute("SELECT partition_real_time_metrics('2025-11-08')")?;
    assert_eq!(names(&parts(&mut pipeline)?), ["before", "rest"]);
    let before = pipeline.database.number(rows)?;
    produce(&pipeline, "2025-11-08T12:00:00Z", "2025-11-09T12:00:00Z")?;
    pipeline.wait_until_caught_up()?;
    assert!(pipeline.database.number(rows)? > before, "a view sees what comes now");
    assert_eq!(pipeline.database.number(granted)?, rights, "the roles' rights");
    // Both days have rows that no part of their own waits for; now they get one.
    assert_eq!(
        pipeline.database.number("SELECT add_real_time_metrics_parts('2025-11-10')::bigint")?,
        2
    );
    produce(&pipeline, "2025-11-09T12:00:00Z", "2025-11-10")?;
    pipeline.wait_until_caught_up()?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;

    let now = parts(&mut pipeline)?;
    assert_eq!(names(&now), ["20251108", "20251109", "before", "rest"]);
    let filled: Vec<bool> = now.iter().map(|(_, rows)| *rows > 1).collect();
    assert_eq!(filled, [true, true, true, false], "{now:?}");
    let expected = pipeline.expect_recomputed()?;
    for date in ["2025-11-07", "2025-11-08", "2025-11-09"] {
        pipeline.run("batcher", &[date])?.expect(0)?;
        let day = date.parse()?;
        assert_eq!(
            daily_rows(&mut pipeline.database, day)?,
            recompute_day(&expected.on_time, day),
            "{date}"
        );
        pipeline.run("batcher", &["validate", date])?.expect(0)?;
        pipeline.run("batcher", &["report", date])?.expect(0)?;
    }
    pipeline.run("streamer", &["status"])?.expect(0)?;
    pipeline.verify()?;
    expire_and_drop(&mut pipeline)
}

/// All three days are older than a year. What has rows stays; the newest part stays.
fn expire_and_drop(pipeline: &mut Pipeline) -> Result<()> {
    let drop_parts = "SELECT drop_empty_real_time_metrics_parts('2025-12-01')::bigint";
    assert_eq!(pipeline.database.number(drop_parts)?, 0, "none is empty");
    pipeline.run("batcher", &["lifecycle", "--retain-minutes", "1d"])?.expect(0)?;
    assert_eq!(pipeline.database.number(drop_parts)?, 2);
    assert_eq!(names(&parts(pipeline)?), ["20251109", "rest"]);
    assert_eq!(
        pipeline.database.number("SELECT COUNT(*) FROM real_time_metrics")?,
        1,
        "the row of somebody else"
    );
    pipeline.verify()?;
    // The next day counts on.
    let more = ["--from", "2025-11-10", "--to", "2025-11-11", "--seed", "3", "--base-rate", "0.2"];
    pipeline.run("producer", &more)?.expect(0)?;
    pipeline.drain()?;
    pipeline.verify()?;
    assert_eq!(
        pipeline.database.number("SELECT add_real_time_metrics_parts('2025-11-12')::bigint")?,
        2
    );
    pipeline.verify()?;
    // Rows that are deleted by hand are missed, in parts as elsewhere.
    pipeline.database.execute("DELETE FROM real_time_metrics_20251110 WHERE window_start = (SELECT MIN(window_start) FROM real_time_metrics_20251110)")?;
    pipeline.run("streamer", &["verify"])?.expect(1)?;
    Ok(())
}
