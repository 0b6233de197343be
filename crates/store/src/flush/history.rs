//! What is stored beside a partition's row of what was read before: the marks in its log, and the rules with what they are
//! built again from.

use std::sync::Arc;

use chrono::NaiveDateTime;
use event_model::EventTime;
use patterns::{RuleSet, Towers};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use towers::TowerTable;
use windowing::{History, LogMark, PatternHistory, Progress};

use crate::StoreError;

struct AppliedRules {
    id: i64,
    set: Arc<RuleSet>,
}

/// Reads it for these partitions, in their order. To be called after their rows were read: if other rules were put on in between, the
/// row's epoch is an old one, and nothing that is judged by them can be stored.
pub(super) async fn load(
    connection: &mut PgConnection,
    topic: &str,
    rows: &[(i32, &Progress)],
) -> Result<Vec<History>, StoreError> {
    let applied = applied_rules(connection).await?;
    let mut histories = Vec::new();
    for (partition, progress) in rows {
        histories.push(history(connection, (topic, *partition), progress, applied.as_ref()).await?);
    }
    Ok(histories)
}

/// The newest set; `None`: rules are off, or can't be read by this program. Then it judges none, leaves `patterns_through` behind, and
/// who can read them writes the gap down.
async fn applied_rules(connection: &mut PgConnection) -> Result<Option<AppliedRules>, StoreError> {
    let newest: Option<(i64, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT id, rules, towers FROM rule_sets ORDER BY id DESC LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(StoreError::sql("reading the rules"))?;
    let Some((id, Some(rules), towers)) = newest else { return Ok(None) };
    match read_rules(&rules, towers.as_deref()) {
        Ok(set) => Ok(Some(AppliedRules { id, set: Arc::new(set) })),
        Err(error) => {
            tracing::error!(
                rule_set = id,
                %error,
                "the rule set can't be read by this program, which judges no rules"
            );
            Ok(None)
        }
    }
}

/// The rules of a file, with the table of towers that it names.
///
/// # Errors
/// Which of the two is wrong, and where.
pub fn read_rules(rules: &str, towers: Option<&str>) -> Result<RuleSet, String> {
    let towers = match towers {
        None => Towers::default(),
        Some(table) => Towers::from(
            &TowerTable::parse(table).map_err(|error| format!("the table of towers: {error}"))?,
        ),
    };
    RuleSet::parse(rules, towers).map_err(|error| error.to_string())
}

async fn history(
    connection: &mut PgConnection,
    (topic, partition): (&str, i32),
    progress: &Progress,
    applied: Option<&AppliedRules>,
) -> Result<History, StoreError> {
    // Without rules the newest mark will do.
    let needed_after = match applied {
        Some(applied) => windowing::needed_after(progress.watermark, &applied.set),
        None => Some(EventTime::END_ACCEPTED),
    };
    let needed_after = needed_after.and_then(EventTime::to_datetime);
    let place = (topic, progress.generation, partition);
    let marks = marks(connection, place, progress.next.offset(), needed_after).await?;
    let last_mark = marks.last().copied();
    let Some(applied) = applied else { return Ok(History { last_mark, patterns: None }) };
    if is_put_off(connection, place).await? {
        return Ok(History { last_mark, patterns: None });
    }
    let patterns = PatternHistory {
        set: Arc::clone(&applied.set),
        judged_from: judged_from(connection, place, progress, applied).await?,
        dead: dead_letters(connection, place, progress, &marks).await?,
        marks,
    };
    Ok(History { last_mark, patterns: Some(patterns) })
}

/// What this partition's log, (topic, partition), can be shown to other rules again from: for a backtest from this event time on. All
/// that these find counts.
///
/// # Errors
/// A failed statement.
pub async fn replay_history(
    connection: &mut PgConnection,
    (topic, partition): (&str, i32),
    progress: &Progress,
    set: &Arc<RuleSet>,
    from: EventTime,
) -> Result<PatternHistory, StoreError> {
    let needed_after = windowing::needed_after(Some(from), set).and_then(EventTime::to_datetime);
    let place = (topic, progress.generation, partition);
    let marks = marks(connection, place, progress.next.offset(), needed_after).await?;
    let dead = dead_letters(connection, place, progress, &marks).await?;
    let judged_from = vec![0; set.rules().len()];
    Ok(PatternHistory { set: Arc::clone(set), judged_from, marks, dead })
}

/// Whether an operator has put the rules of this partition off.
async fn is_put_off(
    connection: &mut PgConnection,
    (topic, generation, partition): (&str, i32, i32),
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pattern_gaps
                        WHERE (topic, generation, partition, reason) = ($1, $2, $3, 'off')
                          AND to_offset IS NULL)",
    )
    .bind(topic)
    .bind(generation)
    .bind(partition)
    .fetch_one(connection)
    .await
    .map_err(StoreError::sql("reading where rules are off"))
}

async fn marks(
    connection: &mut PgConnection,
    (topic, generation, partition): (&str, i32, i32),
    position: i64,
    needed_after: Option<NaiveDateTime>,
) -> Result<Vec<LogMark>, StoreError> {
    let mark = |row: &PgRow| -> Result<LogMark, sqlx::Error> {
        let instant = |column: &str| {
            Ok::<_, sqlx::Error>(
                row.try_get::<Option<NaiveDateTime>, _>(column)?.map(EventTime::from),
            )
        };
        Ok(LogMark {
            offset: row.try_get("offset")?,
            quarter_start: EventTime::from(row.try_get::<NaiveDateTime, _>("quarter_start")?),
            max_event_time: instant("max_event_time")?,
            watermark: instant("watermark")?,
            on_time: row.try_get("on_time")?,
            late: row.try_get("late")?,
            watermark_delay_micros: row.try_get("watermark_delay_us")?,
        })
    };
    let rows = sqlx::query(include_str!("queries/load_marks.sql"))
        .bind(topic)
        .bind(generation)
        .bind(partition)
        .bind(position)
        .bind(needed_after)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the marks in the log"))?;
    rows.iter()
        .map(mark)
        .collect::<Result<_, _>>()
        .map_err(StoreError::sql("reading the marks in the log"))
}

/// By rule: where it is judged from.
async fn judged_from(
    connection: &mut PgConnection,
    (topic, generation, partition): (&str, i32, i32),
    progress: &Progress,
    applied: &AppliedRules,
) -> Result<Vec<i64>, StoreError> {
    let spans: Vec<(String, i64)> = sqlx::query_as(
        "SELECT rule, from_offset FROM rule_spans
         WHERE (rule_set, topic, generation, partition) = ($1, $2, $3, $4)",
    )
    .bind(applied.id)
    .bind(topic)
    .bind(generation)
    .bind(partition)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading from where rules are judged"))?;
    let from = |name: &str| spans.iter().find(|(rule, _)| rule == name).map(|(_, from)| *from);
    let rules = applied.set.rules().iter();
    Ok(rules.map(|rule| from(&rule.name).unwrap_or(progress.first.offset())).collect())
}

async fn dead_letters(
    connection: &mut PgConnection,
    (topic, generation, partition): (&str, i32, i32),
    progress: &Progress,
    marks: &[LogMark],
) -> Result<Vec<i64>, StoreError> {
    let Some(first) = marks.first() else { return Ok(Vec::new()) };
    sqlx::query_scalar(
        r#"SELECT "offset" FROM dead_letters
           WHERE (topic, generation, partition) = ($1, $2, $3) AND "offset" >= $4 AND "offset" < $5
           ORDER BY "offset""#,
    )
    .bind(topic)
    .bind(generation)
    .bind(partition)
    .bind(first.offset)
    .bind(progress.next.offset())
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the offsets of dead letters"))
}
