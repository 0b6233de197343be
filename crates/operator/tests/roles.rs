//! The rights that deploy/roles.sql grants are enough for each program, and no program does what it
//! was not granted.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::cell::Cell;
use std::time::Duration;

use event_model::EventTime;
use operator::compare::{Side, Stretch, compare_sides};
use operator::dead_letters::letters::{DeadLetterFilter, DeadLetterId, count_dead_letters};
use operator::dead_letters::sendings::{ReplayLock, Sending};
use operator::detect::passes::Pass;
use operator::gaps::rows::GapRequest;
use sqlx::AssertSqlSafe;
use store::{
    BusinessDay, Condition, Dates, DayRun, Differences, Expiring, ExplicitSettings, FirstContact,
    Flusher, PgConnection, PutOff, Retention, RunOptions, Session, StoredPartition, Validation,
    WriterIdentity,
};
use windowing::{
    Bounds, Effect, Engine, FlushBatch, GapPlan, Input, LogBreak, LogEnds, Position, Record,
    RecordTime,
};

const TOPIC: &str = "t";
/// The day of the events below.
const DATE: &str = "2025-11-09";
/// The log's ends; nobody asks a broker here.
const ENDS: LogEnds = LogEnds {
    low: Position::at(0),
    stable: Position::at(4),
    high: Position::at(4),
    asked_at: EventTime::from_micros(0),
};

/// A migrated database whose roles have the rights of the script.
async fn database_with_roles() -> String {
    let url = sandbox::fresh_database().unwrap();
    let mut owner = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut owner).await.unwrap();
    // Twice, as after an upgrade.
    for _ in 0..2 {
        execute(&mut owner, include_str!("../../../deploy/roles.sql")).await;
    }
    url
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// The address of the database for sessions that have a role's rights.
fn url_as(role: &str, url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-crole%3Dpipeline_{role}")
}

async fn connect_as(role: &str, url: &str) -> PgConnection {
    let mut connection = store::connect(&url_as(role, url), Session::Batch).await.unwrap();
    let user: String =
        sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut connection).await.unwrap();
    assert_eq!(user, format!("pipeline_{role}"));
    connection
}

/// An event on time, one that moves the watermark, a late one, a record that is none.
fn batch(row: StoredPartition) -> FlushBatch {
    let event = |time: &str| {
        format!(
            r#"{{"event_type":"call","region":"Osh","timestamp":"{DATE}T{time}Z",
                "subscriber_id":"00c0ffee00c0ffee"}}"#
        )
    };
    let payloads = [event("10:00:00"), event("10:10:00"), event("10:00:00"), "nothing".to_owned()];
    let mut engine = Engine::new(Bounds::default());
    let mut effects = Vec::new();
    engine.apply(Input::Assigned(&[0]), &mut effects);
    let StoredPartition { partition, progress, rules, ownership, history } = row;
    let (progress, history) = (Box::new(progress), Box::new(history));
    let loaded = Input::Loaded { partition, progress, rules, ownership, history, ends: ENDS };
    engine.apply(loaded, &mut effects);
    for (offset, payload) in payloads.iter().enumerate() {
        let record = Record {
            offset: offset as i64,
            time: RecordTime::Unknown,
            key: None,
            payload: Some(payload.as_bytes()),
            content: windowing::Content::Payload,
            headers: &Vec::new,
        };
        let now = EventTime::from_micros(1_800_000_000_000_000);
        engine.apply(Input::Record { partition, record, now }, &mut effects);
    }
    engine.apply(Input::FlushDue, &mut effects);
    let flush = effects.into_iter().find_map(|effect| match effect {
        Effect::Flush(batch) => Some(batch),
        _ => None,
    });
    flush.unwrap()
}

/// What a streamer does to the database from its start to its second flush.
async fn stream(url: &str) {
    let mut connection = connect_as("streamer", url).await;
    store::migrate(&mut connection).await.unwrap();
    store::agree_settings(&mut connection, ExplicitSettings::default()).await.unwrap();
    let partitions = [(0, ENDS.low, ENDS.high), (1, ENDS.low, ENDS.high)];
    store::ensure_partitions(
        &mut connection,
        (TOPIC, None),
        &partitions,
        FirstContact::Earliest,
        false,
    )
    .await
    .unwrap();
    store::halt_missing_partitions(&mut connection, (TOPIC, None), &[0]).await.unwrap();
    store::stored_positions(&mut connection, TOPIC).await.unwrap();

    // Each event is a hit, so that alerts and gaps are stored as well.
    let rules = "INSERT INTO rule_sets (rules, applied_by) VALUES ('[[rules]]
                     name = \"each\"
                     version = 1
                     mode = \"live\"
                     within = \"1h\"
                     conditions = [{ kind = \"count\", at_least = 1 }]', 'a test')";
    execute(&mut store::connect(url, Session::Batch).await.unwrap(), rules).await;

    let mut flusher = Flusher::new(url_as("streamer", url), identity());
    for _ in 0..2 {
        let row = stored_row(&mut connection, 0).await;
        let attempts = Cell::new(0);
        // One attempt has to do; while a right is missing it would try for ever.
        let give_up = || attempts.replace(attempts.get() + 1) > 0;
        flusher.flush(batch(row), vec![(0, ENDS)], give_up).await;
        let stored = stored_row(&mut connection, 0).await;
        assert_eq!(stored.progress.next, ENDS.high, "the flush was not stored");
        // Once more the same keys, so that rows are updated too.
        let mut owner = store::connect(url, Session::Batch).await.unwrap();
        let again = "DELETE FROM dead_letters;
                     DELETE FROM log_marks;
                     UPDATE stream_progress SET next_offset = 0, on_time = 0, late = 0, dead = 0,
                         witness_offset = NULL WHERE partition = 0";
        execute(&mut owner, again).await;
    }
}

fn identity() -> WriterIdentity {
    WriterIdentity {
        topic: TOPIC.to_owned(),
        group_id: "g".to_owned(),
        owner: "o".to_owned(),
        cluster_id: None,
    }
}

async fn stored_row(connection: &mut PgConnection, partition: i32) -> StoredPartition {
    store::load_progress(connection, TOPIC, &[partition]).await.unwrap().remove(0)
}

#[tokio::test]
async fn the_rights_of_the_script_are_enough_for_each_program() {
    let url = database_with_roles().await;
    stream(&url).await;

    // What --metrics-addr shows.
    let mut streamer = connect_as("streamer", &url).await;
    store::ensure_schema(&mut streamer).await.unwrap();
    let letter =
        "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail)
                  VALUES ('t', 0, 0, 9, 'timestamp_in_future', '')";
    execute(&mut streamer, &letter.replace("'t'", &format!("'{TOPIC}'"))).await;
    let status = operator::status::rows::pipeline_status(&mut streamer).await.unwrap();
    assert_eq!(status.partitions[0].refused_lately, 1);
    let figures = operator::live::figures::live_figures(&mut streamer).await.unwrap();
    // The watermark stays, so that of the second flush only one event is on time.
    assert_eq!(figures.day.unwrap().sums.events, 3);

    let mut detector = connect_as("detector", &url).await;
    store::ensure_schema(&mut detector).await.unwrap();
    detect(&mut detector, &url).await;
    // What is unusual is on the streamer's page.
    operator::detect::passes::open_anomalies(&mut streamer, 1).await.unwrap();
    assert!(operator::detect::passes::detector_progress(&mut streamer).await.unwrap().is_some());
    // So are the last 24 hours, and how many cases are open.
    assert!(operator::live::last_day::last_day(&mut streamer).await.unwrap().is_some());
    let cases = operator::live::cases::open_cases(&mut streamer).await.unwrap().unwrap();
    assert!(cases.newest.is_none());

    let mut batcher = connect_as("batcher", &url).await;
    let day = BusinessDay::new(DATE.parse().unwrap(), chrono_tz::UTC);
    store::ensure_schema(&mut batcher).await.unwrap();
    store::load_settings(&mut batcher).await.unwrap();
    let options = RunOptions {
        condition: Condition::Always,
        include_late: true,
        lock_wait: Duration::from_secs(60),
        started_by: "a test",
    };
    for _ in 0..2 {
        let run = store::compute_day(&mut batcher, &day, options).await.unwrap();
        assert!(matches!(run, DayRun::Computed(_)));
    }
    store::day_state(&mut batcher, &day).await.unwrap();
    let validation = store::validate_day(&mut batcher, &day).await.unwrap();
    assert_eq!(validation, Validation::Compared(Differences::default()));
    store::day_records(&mut batcher, Dates::All, chrono_tz::UTC).await.unwrap();
    store::remember_versions(&mut batcher).await.unwrap();
    assert!(store::day_report(&mut batcher, &day).await.unwrap().is_some());

    let mut owner = store::connect(&url, Session::Batch).await.unwrap();
    lifecycle(&mut owner, &url).await;
    let halt = "UPDATE stream_progress SET halted_reason = 'lost: `streamer accept-gap` goes on'
                WHERE partition = 1";
    execute(&mut owner, halt).await;
    let mut operator = connect_as("operator", &url).await;
    let request = GapRequest {
        topic: TOPIC.to_owned(),
        partition: 1,
        start_from: None,
        reason: "test".to_owned(),
        accepted_by: "me".to_owned(),
        count_again: false,
    };
    // Twice: the second takes the first one's place.
    operator::gaps::rows::accept_gap(&mut operator, &request).await.unwrap();
    operator::gaps::rows::accept_gap(&mut operator, &request).await.unwrap();
    let setting = ExplicitSettings {
        watermark_delay: Some(Duration::from_secs(60)),
        ..ExplicitSettings::default()
    };
    store::change_settings(&mut operator, setting).await.unwrap();
    let off = PutOff { topic: TOPIC, partition: 0, because: "test", by: "me" };
    assert!(store::put_rules_off(&mut operator, off).await.unwrap().is_some());
    store::change_rules(&mut operator, None, "me").await.unwrap();
    store::rule_sets(&mut operator).await.unwrap();
    store::pattern_gaps(&mut operator).await.unwrap();

    let mut fraud = connect_as("fraud", &url).await;
    store::ensure_schema(&mut fraud).await.unwrap();
    let alerts: i64 = sqlx::query_scalar("SELECT count(*) FROM persons.fraud_cases WHERE hits > 1")
        .fetch_one(&mut fraud)
        .await
        .unwrap();
    assert!(alerts > 0, "no alert was stored");
    let decide = "INSERT INTO persons.verdicts (subscriber_id, rule, through_alert, verdict, reason, decided_by)
                  SELECT subscriber_id, rule, through_alert, 'dismissed', 'test', 'me' FROM persons.fraud_cases";
    execute(&mut fraud, decide).await;
    let allow = "INSERT INTO persons.allowlist (subscriber_id, reason, allowed_by, allowed_until)
                 VALUES ('a', 'test', 'me', now() + INTERVAL '1 day')";
    execute(&mut fraud, allow).await;

    let mut streamer = connect_as("streamer", &url).await;
    let row = stored_row(&mut streamer, 1).await;
    let plan = GapPlan {
        permission: row.ownership.permission.unwrap(),
        cause: LogBreak::Recreated,
        lost: (ENDS.low, ENDS.high),
        reopen_at: Some(ENDS.low),
    };
    let carried_out =
        store::carry_out_gap(&mut streamer, &identity(), 1, &row.progress, &plan).await.unwrap();
    assert!(carried_out);
    operator::gaps::rows::retire(&mut operator, TOPIC, None).await.unwrap();
    replay(&mut operator).await;

    execute(&mut owner, "UPDATE stream_progress SET complete_through = '2025-12-01'").await;
    for role in ["reader", "operator"] {
        let mut reader = connect_as(role, &url).await;
        store::ensure_schema(&mut reader).await.unwrap();
        operator::verify::accounting::verify(&mut reader).await.unwrap();
        operator::gaps::rows::halted_partitions(&mut reader).await.unwrap();
        operator::gaps::rows::list_gaps(&mut reader).await.unwrap();
        operator::health::rows::last_writes(&mut reader, TOPIC).await.unwrap();
        operator::status::rows::pipeline_status(&mut reader).await.unwrap();
        let all = DeadLetterFilter::default();
        count_dead_letters(&mut reader, &all, 10).await.unwrap();
        compare(&mut reader, &mut connect_as(role, &url).await).await;
    }
}

/// What `streamer compare` asks of either database.
async fn compare(theirs: &mut PgConnection, ours: &mut PgConnection) {
    let [since, until] =
        ["2000-01-01T00:00:00", "2100-01-01T00:00:00"].map(|at| at.parse().unwrap());
    let [theirs, ours] = [theirs, ours].map(|connection| Side { connection, topic: TOPIC });
    let comparison =
        compare_sides(theirs, ours, Stretch { since, until, is_bounded: false }).await.unwrap();
    assert_eq!(comparison.total, 0);
}

/// What `batcher lifecycle` does to the database: with a day that goes.
async fn lifecycle(owner: &mut PgConnection, url: &str) {
    execute(owner, "UPDATE stream_progress SET complete_through = '2025-12-01'").await;
    let mut lifecycle = connect_as("lifecycle", url).await;
    store::ensure_schema(&mut lifecycle).await.unwrap();
    store::load_settings(&mut lifecycle).await.unwrap();
    assert!(store::lock_lifecycle(&mut lifecycle).await.unwrap());
    let mut retention = Retention::default();
    for what in Expiring::ALL {
        retention.set(what, Some(Duration::from_secs(30 * 24 * 60 * 60)));
    }
    for is_dry in [true, false] {
        for what in Expiring::ALL {
            let expired = store::expire(&mut lifecycle, what, &retention, chrono_tz::UTC, is_dry);
            let expired = expired.await.unwrap();
            let is_old = [Expiring::Minutes, Expiring::Late, Expiring::Sketches].contains(&what);
            assert_eq!(expired.rows > 0, is_old, "{what:?}: {expired:?}");
        }
    }
    execute(owner, "UPDATE stream_progress SET complete_through = NULL").await;
}

/// What `streamer detect` does to the database: with an incident that opens and one that goes on.
async fn detect(detector: &mut PgConnection, url: &str) {
    let mut owner = store::connect(url, Session::Batch).await.unwrap();
    execute(
        &mut owner,
        "UPDATE stream_progress SET complete_through = '2025-11-10 00:00';
         INSERT INTO anomalies (region, event_type, direction, first_window, opened_at, last_window, calm_windows,
                                peak_observed, peak_expected, peak_score)
         VALUES ('Osh', 'call', 'high', '2025-11-09 22:00', '2025-11-09 22:10', '2025-11-09 22:05', 0, 9, 1, 4)",
    )
    .await;
    let pass = operator::detect::passes::detect_pass(detector, &[], anomaly::Budget::ONE_A_MONTH)
        .await
        .unwrap();
    let Pass::Judged(report) = pass else { panic!("{pass:?}") };
    assert_eq!((report.windows, report.changed.len()), (12, 1));
    execute(&mut owner, "UPDATE stream_progress SET complete_through = NULL").await;
}

/// What `dead-letters replay` does to the database: with one letter that arrives, one that does not.
async fn replay(operator: &mut PgConnection) {
    let sending = |offset| Sending {
        id: DeadLetterId { topic: TOPIC.to_owned(), generation: 0, partition: 0, offset },
        attempt: 1,
        target: "mended".to_owned(),
        target_ends: vec![(0, 7)],
        corrected_payload: Some(b"{}".to_vec()),
    };
    assert_eq!(
        operator::dead_letters::sendings::lock_replays(operator).await.unwrap(),
        ReplayLock::Taken
    );
    operator::dead_letters::sendings::replay_transactional_id(operator).await.unwrap();
    let sendings = [sending(0), sending(1)];
    operator::dead_letters::sendings::mark_replaying(operator, &sendings, "me").await.unwrap();
    assert_eq!(
        operator::dead_letters::sendings::interrupted_replays(operator).await.unwrap(),
        sendings
    );
    operator::dead_letters::sendings::finish_replaying(operator, &sendings[..1]).await.unwrap();
    operator::dead_letters::sendings::delete_replaying(operator, &sendings[1..]).await.unwrap();
    assert_eq!(operator::dead_letters::sendings::interrupted_replays(operator).await.unwrap(), []);
}

/// Whoever is not named here must be denied: a role that is added later is asked too.
#[tokio::test]
async fn what_dead_letters_hold_is_read_by_two_roles_alone() {
    let url = database_with_roles().await;
    for (table, columns) in [
        ("dead_letters", &["key", "payload", "headers", "detail"][..]),
        ("dead_letter_replays", &["corrected_payload"]),
    ] {
        for column in columns {
            let select = format!("SELECT {column} FROM {table}");
            assert_eq!(who_may(&url, &select).await, ["eraser", "operator"], "{select}");
        }
    }
    let counted = "SELECT reason, stored_at, erasure FROM dead_letters";
    assert_eq!(who_may(&url, counted).await, ["dashboards", "eraser", "operator", "reader"]);
}

/// The same, of tables that name a subscriber: one that was there when the script ran, and one that is added later.
#[tokio::test]
async fn tables_that_name_a_subscriber_are_read_by_two_roles_alone() {
    let url = database_with_roles().await;
    let mut owner = store::connect(&url, Session::Batch).await.unwrap();
    execute(&mut owner, "CREATE TABLE persons.before (subscriber_id TEXT)").await;
    execute(&mut owner, include_str!("../../../deploy/roles.sql")).await;
    execute(&mut owner, "CREATE TABLE persons.after (subscriber_id TEXT)").await;
    for table in ["persons.before", "persons.after"] {
        let select = format!("SELECT subscriber_id FROM {table}");
        assert_eq!(who_may(&url, &select).await, ["eraser", "fraud"], "{select}");
        let delete = format!("DELETE FROM {table}");
        assert_eq!(who_may(&url, &delete).await, ["eraser"], "{delete}");
        let insert = format!("INSERT INTO {table} VALUES ('x')");
        assert_eq!(who_may(&url, &insert).await, [""; 0], "{insert}");
    }
    assert_eq!(who_may(&url, "CREATE TABLE persons.mine ()").await, [""; 0]);
}

/// Whoever computes days at night can't delete what they are made from.
#[tokio::test]
async fn what_was_counted_is_deleted_by_one_role_alone() {
    let url = database_with_roles().await;
    for table in ["real_time_metrics", "late_metrics", "subscriber_sketches"] {
        let delete = format!("DELETE FROM {table}");
        assert_eq!(who_may(&url, &delete).await, ["lifecycle"], "{delete}");
    }
}

/// Asks as each role that the script makes, without `pipeline_`; whoever is denied is left out.
async fn who_may(url: &str, statement: &str) -> Vec<String> {
    let mut owner = store::connect(url, Session::Batch).await.unwrap();
    let roles: Vec<String> = sqlx::query_scalar(
        "SELECT substring(rolname FROM 10)::text FROM pg_roles WHERE rolname LIKE 'pipeline\\_%' ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(roles.len() >= 10, "{roles:?}");
    let mut permitted = Vec::new();
    for role in roles {
        let mut connection = connect_as(&role, url).await;
        execute(&mut connection, "BEGIN").await;
        match sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await {
            Ok(_) => permitted.push(role),
            Err(error) => {
                let code = error.as_database_error().unwrap().code().unwrap().into_owned();
                assert_eq!(code, "42501", "{role}: {statement}: {error}");
            }
        }
    }
    permitted
}

#[tokio::test]
async fn each_program_is_denied_what_is_not_its_business() {
    let url = database_with_roles().await;
    for (role, statement) in [
        ("streamer", "DELETE FROM real_time_metrics"),
        ("streamer", "UPDATE settings SET watermark_delay_ms = 0"),
        ("streamer", "INSERT INTO daily_stats (date, event_type, region) VALUES (now(), '', '')"),
        ("streamer", "DELETE FROM dead_letters"),
        ("streamer", "SELECT payload FROM dead_letters"),
        ("streamer", "UPDATE anomalies SET closed_at = now()"),
        ("streamer", "SELECT subscriber_id FROM persons.fraud_cases"),
        ("detector", "UPDATE real_time_metrics SET event_count = 0"),
        ("detector", "UPDATE stream_progress SET complete_through = now()"),
        ("detector", "SELECT FROM dead_letters"),
        ("detector", "DELETE FROM anomalies"),
        ("batcher", "UPDATE real_time_metrics SET event_count = 0"),
        ("batcher", "SELECT FROM dead_letters"),
        ("batcher", "INSERT INTO expired_quarters DEFAULT VALUES"),
        ("batcher", "UPDATE ledger_days SET on_time = 0"),
        ("streamer", "UPDATE ledger_days SET on_time = 0"),
        ("streamer", "UPDATE day_versions SET on_time = 0"),
        ("lifecycle", "UPDATE real_time_metrics SET event_count = 0"),
        ("lifecycle", "DELETE FROM day_ledger"),
        ("lifecycle", "DELETE FROM daily_stats"),
        ("lifecycle", "DELETE FROM expired_quarters"),
        ("lifecycle", "DELETE FROM dead_letters"),
        ("lifecycle", "UPDATE dead_letters SET reason = ''"),
        ("lifecycle", "SELECT detail FROM dead_letters"),
        ("lifecycle", "SELECT corrected_payload FROM dead_letter_replays"),
        ("lifecycle", "SELECT measures FROM persons.alerts"),
        ("lifecycle", "SELECT reason FROM persons.fraud_cases"),
        ("lifecycle", "UPDATE persons.alerts SET hits = 1"),
        ("streamer", "INSERT INTO dead_letter_replays DEFAULT VALUES"),
        ("batcher", "DELETE FROM batch_runs"),
        ("batcher", "UPDATE day_ledger SET on_time = 0"),
        ("operator", "DELETE FROM gaps"),
        ("operator", "UPDATE replay_identity SET transactional_id = ''"),
        ("operator", "UPDATE real_time_metrics SET event_count = 0"),
        ("reader", "DELETE FROM daily_stats"),
        ("reader", "CREATE TABLE x ()"),
        ("dashboards", "SELECT payload FROM dead_letters"),
        ("dashboards", "SELECT key FROM dead_letters"),
        ("dashboards", "SELECT headers FROM dead_letters"),
        ("dashboards", "SELECT detail FROM dead_letters"),
        ("dashboards", "SELECT FROM dead_letter_replays"),
        ("dashboards", "SELECT FROM subscriber_sketches"),
        ("dashboards", "DELETE FROM anomalies"),
        ("dbt", "SELECT payload FROM dead_letters"),
        ("dbt", "SELECT FROM dead_letter_replays"),
        ("dbt", "SELECT FROM persons.alerts"),
        ("dbt", "SELECT FROM persons.fraud_cases"),
        ("dbt", "SELECT FROM subscriber_sketches"),
        ("dbt", "DELETE FROM daily_stats"),
        ("dbt", "CREATE TABLE public.x ()"),
        ("bi", "SELECT FROM daily_stats"),
        ("bi", "SELECT FROM dead_letters"),
        ("bi", "SELECT FROM fraud_counts"),
        ("bi", "CREATE TABLE marts.x ()"),
        ("reader", "SELECT detail FROM dead_letters"),
        ("fraud", "SELECT FROM dead_letters"),
        ("fraud", "SELECT FROM erasures"),
        ("eraser", "DELETE FROM dead_letters"),
        ("eraser", "UPDATE dead_letters SET reason = ''"),
        ("eraser", "UPDATE erasures SET reason = ''"),
        ("eraser", "SELECT FROM real_time_metrics"),
    ] {
        let mut connection = connect_as(role, &url).await;
        let error = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        let state = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(state, "42501", "{role}: {statement}: {error}");
    }
}
