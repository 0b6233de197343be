//! Whose log the rows are of, on a real PostgreSQL: a streamer at another cluster makes no rows, changes none, and
//! is told so.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use common::batch;
use store::{FirstContact, Flusher, PgConnection, Session, StoreError, WriterIdentity};
use windowing::{
    Counters, FlushBatch, GapPermission, GapPlan, LogBreak, PartOutcome, Position, Progress,
};

struct Database {
    url: String,
    connection: PgConnection,
}

impl Database {
    async fn prepared() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        store::agree_settings(&mut connection, store::ExplicitSettings::default()).await.unwrap();
        Database { url, connection }
    }

    /// First contact with a topic of this many partitions, all at offset 0.
    async fn meet(
        &mut self,
        topic: &str,
        partitions: i32,
        cluster: &str,
        is_no_copy: bool,
    ) -> Result<(), StoreError> {
        let ends: Vec<_> =
            (0..partitions).map(|id| (id, Position::at(0), Position::at(0))).collect();
        let topic = (topic, Some(cluster));
        store::ensure_partitions(
            &mut self.connection,
            topic,
            &ends,
            FirstContact::Latest,
            is_no_copy,
        )
        .await
    }

    async fn clusters(&mut self, topic: &str) -> Vec<(i32, Option<String>, i64)> {
        sqlx::query_as(
            "SELECT partition, cluster_id, next_offset FROM stream_progress
             WHERE topic = $1 ORDER BY generation, partition",
        )
        .bind(topic)
        .fetch_all(&mut self.connection)
        .await
        .unwrap()
    }

    /// As a program of an older release has left it.
    async fn forget_clusters(&mut self) {
        self.run("UPDATE stream_progress SET cluster_id = NULL").await;
    }

    async fn run(&mut self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&mut self.connection).await.unwrap();
    }

    async fn flush(&self, cluster: &str, batch: FlushBatch) -> PartOutcome {
        let mut flusher = Flusher::new(self.url.clone(), identity(cluster));
        let report = flusher.flush(batch, Vec::new(), || false).await;
        report.parts[0].outcome.clone()
    }
}

fn identity(cluster: &str) -> WriterIdentity {
    let [topic, group_id, owner, cluster] = ["t", "g", "host:1:0", cluster].map(str::to_owned);
    WriterIdentity { topic, group_id, owner, cluster_id: Some(cluster) }
}

fn unverified() -> FlushBatch {
    let mut batch = batch();
    batch.parts[0].log_is_verified = false;
    batch
}

#[tokio::test]
async fn rows_are_of_the_cluster_on_which_their_topic_was_met() {
    let mut database = Database::prepared().await;
    database.meet("t", 2, "north", false).await.unwrap();
    let north = || Some("north".to_owned());
    assert_eq!(database.clusters("t").await, [(0, north(), 0), (1, north(), 0)]);
    // Another cluster has a topic of that name, with one more partition.
    let error = database.meet("t", 3, "south", true).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherCluster { .. }), "{error:?}");
    for part in [
        "topic t ",
        "cluster north",
        "cluster south",
        "`streamer move --topic t ",
        "KAFKA_BOOTSTRAP_SERVERS",
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!error.is_retryable());
    assert_eq!(database.clusters("t").await.len(), 2, "no row was made");
    database.meet("t", 3, "north", false).await.unwrap();
    assert_eq!(database.clusters("t").await.len(), 3);
    // Also where it is out of service by now.
    database.run("UPDATE stream_progress SET retired_at = now()").await;
    let error = database.meet("t", 4, "south", true).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherCluster { .. }), "{error:?}");
}

#[tokio::test]
async fn a_new_topic_that_may_be_a_copy_is_met_only_if_an_operator_says_where_to_begin() {
    let mut database = Database::prepared().await;
    database.meet("t", 1, "north", false).await.unwrap();
    let error = database.meet("north.t", 1, "hub", false).await.unwrap_err();
    assert!(matches!(error, StoreError::PerhapsACopy { .. }), "{error:?}");
    for part in ["north.t", "hub", "--topic t ", "--to-topic north.t", "--not-a-copy"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(database.clusters("north.t").await, []);
    database.meet("north.t", 1, "hub", true).await.unwrap();
    assert_eq!(database.clusters("north.t").await, [(0, Some("hub".to_owned()), 0)]);
    // A cluster's second topic is no copy of its first, nor is anything of what is out of service.
    database.run("UPDATE stream_progress SET retired_at = now() WHERE topic = 't'").await;
    database.meet("south.t", 1, "hub", false).await.unwrap();
    // Of what an older release has counted nobody knows whether this is a copy; of what it has only met, nothing can be there twice.
    database.forget_clusters().await;
    database.meet("empty", 1, "hub", false).await.unwrap();
    database
        .run("UPDATE stream_progress SET on_time = 1, next_offset = 1 WHERE topic = 'south.t'")
        .await;
    let error = database.meet("u", 1, "hub", false).await.unwrap_err();
    assert!(error.to_string().contains("not known yet"), "{error}");
    database.meet("u", 1, "hub", true).await.unwrap();
}

#[tokio::test]
async fn a_partition_that_never_had_a_record_keeps_no_second_topic_away() {
    let mut database = Database::prepared().await;
    database.meet("t", 2, "north", false).await.unwrap();
    database
        .run("UPDATE stream_progress SET on_time = 1, next_offset = 1 WHERE partition = 0")
        .await;
    database.run("UPDATE stream_progress SET cluster_id = NULL WHERE partition = 1").await;
    database.meet("u", 1, "north", false).await.unwrap();
    let error = database.meet("v", 1, "south", false).await.unwrap_err();
    assert!(matches!(error, StoreError::PerhapsACopy { .. }), "{error:?}");
}

#[tokio::test]
async fn a_flush_into_the_row_of_another_cluster_is_fenced_however_well_it_fits() {
    let mut database = Database::prepared().await;
    database.meet("t", 1, "north", false).await.unwrap();
    assert_eq!(database.flush("south", batch()).await, PartOutcome::Fenced);
    assert_eq!(database.clusters("t").await, [(0, Some("north".to_owned()), 0)]);
    assert_eq!(database.flush("north", batch()).await, PartOutcome::Committed);
    assert_eq!(database.clusters("t").await, [(0, Some("north".to_owned()), 5)]);
}

#[tokio::test]
async fn a_row_that_is_of_no_known_cluster_becomes_that_of_whoever_has_found_its_last_record() {
    let mut database = Database::prepared().await;
    database.meet("t", 1, "north", false).await.unwrap();
    database.forget_clusters().await;
    // A start at the wrong cluster, where the topic has one more partition, takes nothing.
    database.meet("t", 2, "south", false).await.unwrap();
    assert_eq!(database.clusters("t").await, [(0, None, 0), (1, None, 0)]);
    database.run("DELETE FROM stream_progress WHERE partition = 1").await;
    assert_eq!(database.flush("north", unverified()).await, PartOutcome::Committed);
    assert_eq!(database.clusters("t").await, [(0, None, 5)], "nobody knows yet");
    let mut next = batch();
    let part = &mut next.parts[0];
    for (progress, at) in [(&mut part.stored, 5), (&mut part.new, 7)] {
        progress.next = Position::at(at);
        progress.counters = Counters { skipped: at, ..Counters::default() };
    }
    assert_eq!(database.flush("north", next).await, PartOutcome::Committed);
    assert_eq!(database.clusters("t").await, [(0, Some("north".to_owned()), 7)]);
}

#[tokio::test]
async fn what_is_known_of_one_partition_holds_for_its_topic() {
    let mut database = Database::prepared().await;
    database.meet("t", 2, "north", false).await.unwrap();
    let loaded = async |database: &mut Database| {
        let loaded = store::load_progress(&mut database.connection, "t", &[0, 1]).await.unwrap();
        loaded.into_iter().map(|row| row.ownership.cluster_id).collect::<Vec<_>>()
    };
    let north = Some("north".to_owned());
    database.run("UPDATE stream_progress SET cluster_id = NULL WHERE partition = 1").await;
    assert_eq!(loaded(&mut database).await, [north.clone(), north]);
    database.forget_clusters().await;
    assert_eq!(loaded(&mut database).await, [None, None]);
}

#[tokio::test]
async fn a_permission_is_carried_out_on_the_cluster_of_the_row_alone_and_the_next_life_is_of_it() {
    let mut database = Database::prepared().await;
    database.meet("t", 1, "north", false).await.unwrap();
    database
        .run(
            "INSERT INTO gaps (topic, generation, partition, position, reason, accepted_by)
             VALUES ('t', 0, 0, 0, '', '')",
        )
        .await;
    let stored = Progress::starting_at(Position::at(0));
    let plan = GapPlan {
        permission: GapPermission { id: 1, start_from: None },
        cause: LogBreak::Recreated,
        lost: (Position::at(0), Position::at(4)),
        reopen_at: Some(Position::at(0)),
    };
    for (cluster, is_carried_out) in [("south", false), ("north", true)] {
        let identity = identity(cluster);
        let connection = &mut database.connection;
        let carried_out = store::carry_out_gap(connection, &identity, 0, &stored, &plan).await;
        assert_eq!(carried_out.unwrap(), is_carried_out, "{cluster}");
    }
    let north = || Some("north".to_owned());
    assert_eq!(database.clusters("t").await, [(0, north(), 4), (0, north(), 0)]);
}

#[tokio::test]
async fn a_topic_whose_cluster_can_be_told_gets_no_new_row_before_it_is() {
    let mut database = Database::prepared().await;
    database.meet("t", 1, "north", false).await.unwrap();
    let remember = "UPDATE stream_progress SET cluster_id = NULL, witness_offset = 4, witness_crc = 1, next_offset = 5, skipped = 5";
    database.run(remember).await;
    let awaited = async |database: &mut Database| {
        let loaded = store::load_progress(&mut database.connection, "t", &[0]).await.unwrap();
        loaded[0].ownership.awaits_cluster
    };
    assert!(awaited(&mut database).await);
    let halt = async |database: &mut Database| {
        let named = ("t", Some("south"));
        store::halt_missing_partitions(&mut database.connection, named, &[]).await.unwrap();
        sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM stream_progress WHERE halted_reason IS NOT NULL",
        )
        .fetch_one(&mut database.connection)
        .await
        .unwrap()
    };
    // On another cluster partitions begin elsewhere, and others are missing.
    database.meet("t", 2, "south", false).await.unwrap();
    assert_eq!(database.clusters("t").await.len(), 1);
    assert_eq!(halt(&mut database).await, 0);
    database.run("UPDATE stream_progress SET cluster_id = 'south'").await;
    assert!(!awaited(&mut database).await);
    database.meet("t", 2, "south", false).await.unwrap();
    assert_eq!(database.clusters("t").await.len(), 2);
    assert_eq!(halt(&mut database).await, 2);
    // Nobody remembers anything: nothing is waited for.
    database.run("UPDATE stream_progress SET cluster_id = NULL, witness_offset = NULL").await;
    assert!(!awaited(&mut database).await);
}

#[tokio::test]
async fn a_flush_into_a_row_of_no_known_cluster_is_fenced_when_its_topic_is_of_another() {
    let mut database = Database::prepared().await;
    database.meet("t", 2, "north", false).await.unwrap();
    database.run("UPDATE stream_progress SET cluster_id = NULL WHERE partition = 0").await;
    assert_eq!(database.flush("south", batch()).await, PartOutcome::Fenced);
    assert_eq!(database.flush("north", batch()).await, PartOutcome::Committed);
}
