//! Reading dead letters: lists, single letters, counts.
//!
//! In: a [`DeadLetterFilter`]. Out: rows of `dead_letters` as values. Changes nothing; keeps I-6:
//! every answer has a limit, and a list holds only the beginning of each payload.

mod letter_id;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, Postgres, Row};
use store::StoreError;

pub use self::letter_id::DeadLetterId;

/// What stands in place of an erasure's number in a letter that `batcher lifecycle` has emptied.
pub const EXPIRED: i64 = 0;
const READING: &str = "reading dead letters";

/// Which letters. Every `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Code of the reason.
    pub reason: Option<String>,
    /// Kafka's name of the topic.
    pub topic: Option<String>,
    /// Kafka's number of the partition, from 0.
    pub partition: Option<i32>,
    /// Stored at this time or later, UTC.
    pub since: Option<NaiveDateTime>,
    /// Stored before this time, UTC.
    pub until: Option<NaiveDateTime>,
}

impl DeadLetterFilter {
    /// Binds the first five parameters of the queries that take a filter.
    fn bind(&self, sql: &'static str) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(sql)
            .bind(&self.reason)
            .bind(&self.topic)
            .bind(self.partition)
            .bind(self.since)
            .bind(self.until)
    }
}

/// How far the last sending of a letter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// Marked, and not known yet whether it arrived: a run is at it, or was interrupted.
    Replaying,
    /// The broker has acknowledged it.
    Replayed,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterLine {
    /// The record that became the letter.
    pub id: DeadLetterId,
    /// Code of the reason.
    pub reason: String,
    /// The reason in a sentence.
    pub detail: String,
    /// When it was stored, UTC.
    pub stored_at: NaiveDateTime,
    /// The beginning of its payload.
    pub payload_start: Option<Vec<u8>>,
    /// The whole payload's length in bytes.
    pub payload_bytes: Option<i64>,
    /// The erasure that emptied it; [`EXPIRED`]; `None`: it is whole.
    pub erasure: Option<i64>,
    /// Its last sending: attempt and state.
    pub replay: Option<(i32, ReplayState)>,
}

/// A record header: its name and, unless null, its value.
pub type DeadLetterHeader = (String, Option<Vec<u8>>);

/// A letter with its key, payload and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// The record that became the letter.
    pub id: DeadLetterId,
    /// Code of the reason.
    pub reason: String,
    /// The reason in a sentence.
    pub detail: String,
    /// When the record was written, UTC.
    pub record_timestamp: Option<NaiveDateTime>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's payload.
    pub payload: Option<Vec<u8>>,
    /// The record's headers, in their order.
    pub headers: Vec<DeadLetterHeader>,
    /// When the letter was stored, UTC.
    pub stored_at: NaiveDateTime,
    /// The erasure that emptied it; [`EXPIRED`]; `None`: it is whole.
    pub erasure: Option<i64>,
    /// Each time that it was sent again, in order.
    pub replays: Vec<DeadLetterReplay>,
}

/// One sending of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterReplay {
    /// Its number, counted through letters that were replayed and died again.
    pub attempt: i32,
    /// How far it has come.
    pub state: ReplayState,
    /// The topic that it was sent to.
    pub target: String,
    /// Whether a corrected payload was sent.
    pub is_corrected: bool,
    /// Who sent it.
    pub replayed_by: String,
    /// When it was known to have arrived, UTC.
    pub replayed_at: Option<NaiveDateTime>,
}

/// How many letters of one reason one partition stored on one day.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DeadLetterCount {
    /// Code of the reason.
    pub reason: String,
    /// Kafka's name of the topic.
    pub topic: String,
    /// Partition, of all generations.
    pub partition: i32,
    /// Day of storing, UTC.
    pub day: NaiveDate,
    /// How many letters were stored.
    pub letters: i64,
    /// How many of these were sent again.
    pub replayed: i64,
}

/// The newest letters, with the beginning of each payload.
///
/// # Errors
/// A failed statement.
pub async fn list_dead_letters(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
    limit: u32,
    payload_bytes_max: i32,
) -> Result<Vec<DeadLetterLine>, StoreError> {
    let rows = filter
        .bind(include_str!("queries/list_dead_letters.sql"))
        .bind(i64::from(limit))
        .bind(payload_bytes_max)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(READING))?;
    rows.iter().map(line_of).collect::<Result<_, _>>().map_err(StoreError::sql(READING))
}

/// The letters that a replay would send, in the order of their logs. Those that were replayed
/// before are left out unless `again`, and those that an erasure has emptied always.
///
/// # Errors
/// A failed statement.
pub async fn select_dead_letters(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
    limit: u32,
    again: bool,
) -> Result<Vec<DeadLetterId>, StoreError> {
    let rows = filter
        .bind(include_str!("queries/select_dead_letters.sql"))
        .bind(i64::from(limit))
        .bind(again)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(READING))?;
    rows.iter()
        .map(DeadLetterId::from_row)
        .collect::<Result<_, _>>()
        .map_err(StoreError::sql(READING))
}

/// How many letters were replayed before.
///
/// # Errors
/// A failed statement.
pub async fn count_replayed(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
) -> Result<i64, StoreError> {
    let row = filter
        .bind(include_str!("queries/count_replayed.sql"))
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(READING))?;
    row.try_get(0).map_err(StoreError::sql(READING))
}

/// Counts letters by reason, partition and UTC day of storing.
///
/// # Errors
/// A failed statement.
pub async fn count_dead_letters(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
    limit: u32,
) -> Result<Vec<DeadLetterCount>, StoreError> {
    let rows = filter
        .bind(include_str!("queries/count_dead_letters.sql"))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(READING))?;
    rows.iter()
        .map(DeadLetterCount::from_row)
        .collect::<Result<_, _>>()
        .map_err(StoreError::sql(READING))
}

/// One whole letter; `None` when there is none.
///
/// # Errors
/// A failed statement, or headers that no program of ours wrote.
pub async fn load_dead_letter(
    connection: &mut PgConnection,
    id: &DeadLetterId,
) -> Result<Option<StoredDeadLetter>, StoreError> {
    let failed = || StoreError::sql(READING);
    let row = sqlx::query(
        "SELECT reason, detail, record_timestamp, key, payload, headers, stored_at, erasure
         FROM dead_letters
         WHERE topic = $1 AND generation = $2 AND partition = $3 AND \"offset\" = $4",
    );
    let row = bind_id(row, id).fetch_optional(&mut *connection).await.map_err(failed())?;
    let Some(row) = row else { return Ok(None) };
    let replays = sqlx::query(
        "SELECT attempt, state, target, corrected_payload IS NOT NULL AS is_corrected,
                replayed_by, replayed_at
         FROM dead_letter_replays
         WHERE topic = $1 AND generation = $2 AND partition = $3 AND \"offset\" = $4
         ORDER BY attempt",
    );
    let replays = bind_id(replays, id).fetch_all(connection).await.map_err(failed())?;
    let headers: Option<Value> = row.try_get("headers").map_err(failed())?;
    let letter = || -> Result<StoredDeadLetter, sqlx::Error> {
        Ok(StoredDeadLetter {
            id: id.clone(),
            reason: row.try_get("reason")?,
            detail: row.try_get("detail")?,
            record_timestamp: row.try_get("record_timestamp")?,
            key: row.try_get("key")?,
            payload: row.try_get("payload")?,
            headers: Vec::new(),
            stored_at: row.try_get("stored_at")?,
            erasure: row.try_get("erasure")?,
            replays: replays.iter().map(replay_of).collect::<Result<_, _>>()?,
        })
    };
    let mut letter = letter().map_err(failed())?;
    letter.headers = headers_of_json(headers.as_ref())
        .ok_or_else(|| StoreError::BadValue(format!("the headers of dead letter {id}")))?;
    Ok(Some(letter))
}

/// Binds the letter's key as the first four parameters.
pub(crate) fn bind_id<'q>(
    query: Query<'q, Postgres, PgArguments>,
    id: &'q DeadLetterId,
) -> Query<'q, Postgres, PgArguments> {
    query.bind(&id.topic).bind(id.generation).bind(id.partition).bind(id.offset)
}

fn line_of(row: &PgRow) -> Result<DeadLetterLine, sqlx::Error> {
    let attempt: Option<i32> = row.try_get("attempt")?;
    Ok(DeadLetterLine {
        id: DeadLetterId::from_row(row)?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        stored_at: row.try_get("stored_at")?,
        payload_start: row.try_get("payload_start")?,
        payload_bytes: row.try_get("payload_bytes")?,
        erasure: row.try_get("erasure")?,
        replay: match attempt {
            None => None,
            Some(attempt) => Some((attempt, state_of(row)?)),
        },
    })
}

fn replay_of(row: &PgRow) -> Result<DeadLetterReplay, sqlx::Error> {
    Ok(DeadLetterReplay {
        attempt: row.try_get("attempt")?,
        state: state_of(row)?,
        target: row.try_get("target")?,
        is_corrected: row.try_get("is_corrected")?,
        replayed_by: row.try_get("replayed_by")?,
        replayed_at: row.try_get("replayed_at")?,
    })
}

/// A CHECK allows these two alone.
fn state_of(row: &PgRow) -> Result<ReplayState, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    Ok(if state == "replayed" { ReplayState::Replayed } else { ReplayState::Replaying })
}

/// Reads `[[name, value in hex or null], …]`.
pub(crate) fn headers_of_json(json: Option<&Value>) -> Option<Vec<DeadLetterHeader>> {
    let Some(json) = json else { return Some(Vec::new()) };
    let pairs = json.as_array()?.iter().map(|pair| {
        let [name, value] = &pair.as_array()?[..] else { return None };
        let value = match value {
            Value::Null => None,
            value => Some(bytes_of_hex(value.as_str()?)?),
        };
        Some((name.as_str()?.to_owned(), value))
    });
    pairs.collect()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    if is_hex { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let table = [
            (None, Some(vec![])),
            (
                Some(json!([["a", "00fF"], ["b", null], ["a", ""]])),
                Some(vec![
                    ("a".to_owned(), Some(vec![0x00, 0xff])),
                    ("b".to_owned(), None),
                    ("a".to_owned(), Some(vec![])),
                ]),
            ),
            (Some(json!({"a": "00"})), None),
            (Some(json!([["a"]])), None),
            (Some(json!([["a", "0"]])), None),
            (Some(json!([["a", "+1"]])), None),
            (Some(json!([[1, "00"]])), None),
        ];
        for (json, expected) in table {
            assert_eq!(headers_of_json(json.as_ref()), expected, "{json:?}");
        }
    }
}
