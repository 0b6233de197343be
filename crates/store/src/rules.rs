//! Which rules are on: put on, put off, listed. Streamers read them with their positions; `crate::flush::history` does.
//!
//! In one transaction with every epoch, so that no worker stores what it judged by other rules than those that are on
//! from its position (I-3, I-10), and what an older release has moved over is written down (I-7).

use chrono::NaiveDateTime;
use patterns::RuleSet;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};

use crate::StoreError;
use crate::session::settings::FIRST_CONTACT_LOCK;

/// Rules to put on.
#[derive(Clone, Copy, Debug)]
pub struct NewRules<'a> {
    /// The rules file, word for word.
    pub text: &'a str,
    /// The table of towers that it names.
    pub towers: Option<&'a str>,
    /// What stands in both.
    pub set: &'a RuleSet,
}

/// A set as it is stored.
#[derive(Clone, Debug, FromRow)]
pub struct StoredRules {
    /// Its number; the greatest counts.
    pub id: i64,
    /// The file; `None`: rules were put off.
    pub rules: Option<String>,
    /// The table of towers.
    pub towers: Option<String>,
    /// Who put it on.
    pub applied_by: String,
    /// When, UTC.
    pub applied_at: NaiveDateTime,
}

/// One partition's rules to be put off.
#[derive(Clone, Copy, Debug)]
pub struct PutOff<'a> {
    /// Kafka's name of the topic.
    pub topic: &'a str,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Why, for the record.
    pub because: &'a str,
    /// Who, for the record.
    pub by: &'a str,
}

/// All sets, the newest last.
///
/// # Errors
/// A failed statement.
pub async fn rule_sets(connection: &mut PgConnection) -> Result<Vec<StoredRules>, StoreError> {
    sqlx::query_as("SELECT id, rules, towers, applied_by, applied_at FROM rule_sets ORDER BY id")
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the rules"))
}

/// Puts these rules on, or all off, for everybody: each partition is judged by them from its stored position on, those as well whose rules
/// an operator had put off. Returns the set's number.
///
/// # Errors
/// A failed statement; nothing was changed then.
pub async fn change_rules(
    connection: &mut PgConnection,
    new: Option<NewRules<'_>>,
    by: &str,
) -> Result<i64, StoreError> {
    let doing = "changing the rules";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    lock_all(&mut transaction).await.map_err(StoreError::sql(doing))?;
    let changed = async {
        sqlx::query(include_str!("rules/queries/note_not_judged.sql"))
            .bind(None::<String>)
            .bind(None::<i32>)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(include_str!("rules/queries/close_put_off.sql"))
            .execute(&mut *transaction)
            .await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO rule_sets (rules, towers, applied_by) VALUES ($1, $2, $3) RETURNING id",
        )
        .bind(new.map(|new| new.text))
        .bind(new.and_then(|new| new.towers))
        .bind(by)
        .fetch_one(&mut *transaction)
        .await?;
        let rules = new.map_or(&[][..], |new| new.set.rules());
        sqlx::query(include_str!("rules/queries/insert_spans.sql"))
            .bind(id)
            .bind(rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>())
            .bind(rules.iter().map(|rule| rule.version).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE stream_progress SET epoch = epoch + 1, patterns_through = next_offset")
            .execute(&mut *transaction)
            .await?;
        Ok::<_, sqlx::Error>(id)
    };
    let id = changed.await.map_err(StoreError::sql(doing))?;
    transaction.commit().await.map_err(StoreError::sql(doing))?;
    Ok(id)
}

/// Puts the rules of one partition off: its worker goes on without them from the stored position. Says from which offset on;
/// `None`: it has no such partition in service, or no rules are on for it.
///
/// # Errors
/// A failed statement; nothing was changed then.
pub async fn put_rules_off(
    connection: &mut PgConnection,
    request: PutOff<'_>,
) -> Result<Option<i64>, StoreError> {
    let doing = "putting the rules of a partition off";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    lock_all(&mut transaction).await.map_err(StoreError::sql(doing))?;
    let changed = async {
        sqlx::query(include_str!("rules/queries/note_not_judged.sql"))
            .bind(request.topic)
            .bind(request.partition)
            .execute(&mut *transaction)
            .await?;
        sqlx::query_scalar(include_str!("rules/queries/put_off.sql"))
            .bind(request.topic)
            .bind(request.partition)
            .bind(request.by)
            .bind(request.because)
            .fetch_optional(&mut *transaction)
            .await
    };
    let from = changed.await.map_err(StoreError::sql(doing))?;
    transaction.commit().await.map_err(StoreError::sql(doing))?;
    Ok(from)
}

/// No row may be made meanwhile: it would keep the old epoch. Then all in the flush's order.
async fn lock_all(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(FIRST_CONTACT_LOCK)
        .execute(&mut *connection)
        .await?;
    sqlx::query("SELECT FROM stream_progress ORDER BY topic, generation, partition FOR UPDATE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Where rules may have missed something.
#[derive(Clone, Debug, FromRow)]
pub struct StoredPatternGap {
    /// Kafka's name of the topic.
    pub topic: String,
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// From this record on.
    pub from_offset: i64,
    /// To before this one.
    pub to_offset: Option<i64>,
    /// From this event time on all rules are judged again, UTC.
    pub blind_until: Option<NaiveDateTime>,
    /// `not_judged`, `retention`, `another_log`, `memory` or `off`.
    pub reason: String,
    /// An operator's words.
    pub put_off_because: Option<String>,
}

/// How many there are, by reason.
///
/// # Errors
/// A failed statement.
pub async fn count_pattern_gaps(
    connection: &mut PgConnection,
) -> Result<Vec<(String, i64)>, StoreError> {
    sqlx::query_as("SELECT reason, count(*) FROM pattern_gaps GROUP BY reason")
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("counting where rules may have missed something"))
}

/// The newest of them, at most 100, the newest first.
///
/// # Errors
/// A failed statement.
pub async fn pattern_gaps(
    connection: &mut PgConnection,
) -> Result<Vec<StoredPatternGap>, StoreError> {
    sqlx::query_as(
        "SELECT topic, generation, partition, from_offset, to_offset, blind_until, reason, put_off_because
         FROM pattern_gaps ORDER BY id DESC LIMIT 100",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading where rules may have missed something"))
}
