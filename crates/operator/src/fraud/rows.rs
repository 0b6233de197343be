//! Rows of `persons.fraud_cases`, `persons.alerts`, `persons.verdicts` and `persons.allowlist`.

use std::fmt;

use chrono::NaiveDateTime;
use serde_json::Value;
use sqlx::FromRow;
use store::{PgConnection, StoreError};

/// In which state a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Confirmed,
    Dismissed,
    Expired,
    Allowed,
}

impl State {
    const fn code(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Confirmed => "confirmed",
            State::Dismissed => "dismissed",
            State::Expired => "expired",
            State::Allowed => "allowed",
        }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was fraud.
    Confirmed,
    /// It was none.
    Dismissed,
}

impl Verdict {
    /// The text in `persons.verdicts.verdict`.
    pub const fn code(self) -> &'static str {
        match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Dismissed => "dismissed",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct CaseFilter {
    pub(super) state: Option<State>,
    pub(super) rule: Option<String>,
    pub(super) with_shadow: bool,
}

/// What one rule has found about one subscriber, up to a verdict.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Case {
    /// That of its first alert.
    pub(super) id: i64,
    /// The number of its last alert.
    pub(super) through_alert: i64,
    pub(super) subscriber_id: String,
    pub(super) rule: String,
    pub(super) version: i32,
    pub(super) mode: String,
    pub(super) state: CaseState,
    pub(super) alerts: i64,
    pub(super) hits: i64,
    /// Event time, UTC.
    pub(super) first_hit: NaiveDateTime,
    pub(super) opened_at: NaiveDateTime,
    pub(super) updated_at: NaiveDateTime,
    pub(super) reason: Option<String>,
    pub(super) decided_by: Option<String>,
    pub(super) decided_at: Option<NaiveDateTime>,
}

/// As the database says it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct CaseState(pub(super) String);

impl fmt::Display for CaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One alert of a case.
#[derive(Clone, Debug, FromRow)]
pub(super) struct StoredAlert {
    pub(super) id: i64,
    pub(super) version: i32,
    pub(super) bucket_start: NaiveDateTime,
    pub(super) topic: String,
    pub(super) generation: i32,
    pub(super) partition: i32,
    pub(super) hits: i64,
    pub(super) window_start: NaiveDateTime,
    pub(super) window_end: NaiveDateTime,
    pub(super) measures: Value,
    pub(super) offsets: Vec<i64>,
    pub(super) first_stored_at: NaiveDateTime,
}

/// Cases of one rule in one state.
#[derive(Clone, Debug, FromRow)]
pub(super) struct CaseCount {
    pub(super) rule: String,
    pub(super) mode: String,
    pub(super) cases: i64,
    pub(super) open: i64,
    pub(super) confirmed: i64,
    pub(super) dismissed: i64,
    pub(super) expired: i64,
    pub(super) allowed: i64,
}

pub(super) async fn list_cases(
    connection: &mut PgConnection,
    filter: &CaseFilter,
    limit: u32,
) -> Result<Vec<Case>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM persons.fraud_cases
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR rule = $2) AND ($3 OR mode = 'live')
         ORDER BY updated_at DESC, id DESC LIMIT $4",
    )
    .bind(filter.state.map(State::code))
    .bind(&filter.rule)
    .bind(filter.with_shadow)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the cases"))
}

pub(super) async fn load_case(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Case>, StoreError> {
    sqlx::query_as("SELECT * FROM persons.fraud_cases WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::sql("reading the case"))
}

/// The case's alerts, in the order of their numbers.
pub(super) async fn alerts_of(
    connection: &mut PgConnection,
    case: &Case,
) -> Result<Vec<StoredAlert>, StoreError> {
    sqlx::query_as(
        "SELECT id, version, bucket_start, topic, generation, partition, hits, window_start, window_end, measures,
                offsets, first_stored_at
         FROM persons.alerts
         WHERE subscriber_id = $1 AND rule = $2 AND id BETWEEN $3 AND $4 ORDER BY id",
    )
    .bind(&case.subscriber_id)
    .bind(&case.rule)
    .bind(case.id)
    .bind(case.through_alert)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the alerts of the case"))
}

/// Stores a verdict about the alerts that the case was seen with. Returns whether it is the first about them.
pub(super) async fn decide(
    connection: &mut PgConnection,
    case: &Case,
    verdict: Verdict,
    reason: &str,
    by: &str,
) -> Result<bool, StoreError> {
    let stored = sqlx::query(include_str!("queries/decide.sql"))
        .bind(&case.subscriber_id)
        .bind(&case.rule)
        .bind(case.id)
        .bind(case.through_alert)
        .bind(verdict.code())
        .bind(reason)
        .bind(by)
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing the verdict"))?;
    Ok(stored.rows_affected() > 0)
}

/// Returns until when, UTC.
pub(super) async fn allow(
    connection: &mut PgConnection,
    (subscriber, rule): (&str, Option<&str>),
    seconds: i64,
    reason: &str,
    by: &str,
) -> Result<NaiveDateTime, StoreError> {
    sqlx::query_scalar(
        "INSERT INTO persons.allowlist (subscriber_id, rule, reason, allowed_by, allowed_until)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) RETURNING allowed_until",
    )
    .bind(subscriber)
    .bind(rule)
    .bind(reason)
    .bind(by)
    .bind(seconds as f64)
    .fetch_one(connection)
    .await
    .map_err(StoreError::sql("storing into the allowlist"))
}

pub(super) async fn count_cases(
    connection: &mut PgConnection,
) -> Result<Vec<CaseCount>, StoreError> {
    sqlx::query_as(include_str!("queries/count_cases.sql"))
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("counting the cases"))
}
