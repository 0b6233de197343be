//! Open fraud cases, for the page: how many there are by rule, and the cases themselves where somebody has given the streamer's
//! own user the role `pipeline_fraud`. Without it nothing of any subscriber leaves the database.

use chrono::NaiveDateTime;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use store::StoreError;

/// So many rules are named, and so many cases shown.
const RULES_MAX: i64 = 100;
const CASES_MAX: i64 = 50;

const DOING: &str = "reading the open cases";

/// Open cases of rules in live mode.
#[derive(Clone, Debug)]
pub struct Cases {
    /// How many each rule has, the most first; 100 rules at most.
    pub by_rule: Vec<RuleCases>,
    /// The newest 50; `None`: the user has no right to show them.
    pub newest: Option<Vec<OpenCase>>,
}

/// What one rule has found.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RuleCases {
    /// The rule's name.
    pub rule: String,
    /// Its open cases.
    pub open: i64,
}

/// Open alerts about one subscriber by one rule.
#[derive(Clone, Debug, FromRow)]
pub struct OpenCase {
    /// The number that `streamer fraud show` takes.
    pub id: i64,
    /// The name of the rule that held.
    pub rule: String,
    /// A pseudonym.
    pub subscriber_id: String,
    /// Its alerts, and their hits.
    pub alerts: i64,
    /// Hits of all its alerts.
    pub hits: i64,
    /// Event time of the first one, UTC.
    pub first_hit: NaiveDateTime,
    /// When the last one was stored, UTC.
    pub updated_at: NaiveDateTime,
    /// What its last alert saw: `[[value, "at_least" or "at_most", threshold], …]`.
    pub measures: Value,
}

/// Reads them; `None`: the database has no rules, or the user has no right to count.
///
/// # Errors
/// A failed statement.
pub async fn open_cases(connection: &mut PgConnection) -> Result<Option<Cases>, StoreError> {
    let may_count: bool = sqlx::query_scalar(
        // In this order: without the schema, or the right to use it, there is nothing to ask about in it.
        "SELECT CASE WHEN has_schema_privilege(to_regnamespace('persons'), 'USAGE')
                     THEN has_column_privilege(to_regclass('persons.fraud_cases'), 'state', 'SELECT') IS TRUE
                     ELSE false END",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StoreError::sql(DOING))?;
    if !may_count {
        return Ok(None);
    }
    let by_rule = sqlx::query_as(include_str!("queries/live_case_counts.sql"))
        .bind(RULES_MAX)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    let is_fraud_desk: bool = sqlx::query_scalar(include_str!("queries/live_is_fraud_desk.sql"))
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    let mut newest = None;
    if is_fraud_desk {
        let cases = sqlx::query_as(include_str!("queries/live_cases.sql"))
            .bind(CASES_MAX)
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::sql(DOING))?;
        newest = Some(cases);
    }
    Ok(Some(Cases { by_rule, newest }))
}
