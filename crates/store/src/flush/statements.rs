//! What a flush stores between the comparison and COMMIT, in the order in which every writer does it: the
//! positions, then each kind of result.

use event_model::EventTime;
use sqlx::postgres::PgConnection;
use windowing::{Fingerprint, FlushPart, MergedRows, Position, Totals};

use super::results::{NotStored, store_rows};
use crate::StoreError;

/// Who writes: stored beside each position.
#[derive(Clone, Debug)]
pub struct WriterIdentity {
    /// The topic read.
    pub topic: String,
    /// The consumer group.
    pub group_id: String,
    /// The process and worker.
    pub owner: String,
    /// The Kafka cluster that is read; `None`: not known. Rows of another one are not touched.
    pub cluster_id: Option<String>,
}

/// Stores the parts' positions and results.
pub(crate) async fn store_parts(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    parts: &[&FlushPart],
) -> Result<(), NotStored> {
    let positions = update_progress(connection, identity, parts).await;
    positions.map_err(|error| NotStored { of: None, error })?;
    let rows = MergedRows::of(parts.iter().copied());
    store_rows(connection, &identity.topic, &rows).await
}

async fn update_progress(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    parts: &[&FlushPart],
) -> Result<(), StoreError> {
    fn column<T>(parts: &[&FlushPart], value: impl Fn(&windowing::Progress) -> T) -> Vec<T> {
        parts.iter().map(|part| value(&part.new)).collect()
    }
    let sums: Vec<(Totals, Totals)> =
        parts.iter().map(|part| (part.delta.on_time.sum(), part.delta.late.sum())).collect();
    let recent = |value: fn(&Totals, &Totals) -> i64| -> Vec<i64> {
        sums.iter().map(|(on_time, late)| value(on_time, late)).collect()
    };
    let instant = |at: Option<EventTime>| at.and_then(EventTime::to_datetime);
    let offset = |position: Option<Position>| position.map(Position::offset);
    let crc = |fingerprint: Option<Fingerprint>| fingerprint.map(|w| i64::from(w.crc));
    let at = |fingerprint: Option<Fingerprint>| fingerprint.map(|w| w.offset);
    let stamp = |fingerprint: Option<Fingerprint>| fingerprint.and_then(|w| w.timestamp_ms);
    sqlx::query(include_str!("queries/update_progress.sql"))
        .bind(&identity.topic)
        .bind(&identity.group_id)
        .bind(&identity.owner)
        .bind(column(parts, |p| p.generation))
        .bind(parts.iter().map(|part| part.partition).collect::<Vec<_>>())
        .bind(column(parts, |p| p.next.offset()))
        .bind(column(parts, |p| instant(p.watermark)))
        .bind(column(parts, |p| instant(p.max_event_time)))
        .bind(column(parts, |p| p.counters.on_time))
        .bind(column(parts, |p| p.counters.late))
        .bind(column(parts, |p| p.counters.dead))
        .bind(column(parts, |p| p.counters.skipped))
        .bind(column(parts, |p| at(p.fingerprint)))
        .bind(column(parts, |p| stamp(p.fingerprint)))
        .bind(column(parts, |p| crc(p.fingerprint)))
        .bind(column(parts, |p| at(p.origin)))
        .bind(column(parts, |p| stamp(p.origin)))
        .bind(column(parts, |p| crc(p.origin)))
        .bind(column(parts, |p| offset(p.log_end_seen)))
        .bind(column(parts, |p| instant(p.caught_up_at)))
        .bind(column(parts, |p| {
            p.halted_reason.as_ref().map(|reason| reason.replace('\0', "\u{fffd}"))
        }))
        .bind(column(parts, |p| p.skew.max_ahead_ms))
        .bind(column(parts, |p| p.skew.max_behind_ms))
        .bind(column(parts, |p| p.skew.sum_behind_ms.to_string()))
        .bind(recent(|on_time, late| on_time.events + late.events))
        .bind(recent(|_, late| late.events))
        .bind(recent(|on_time, late| on_time.duration_seconds + late.duration_seconds))
        .bind(recent(|_, late| late.duration_seconds))
        .bind(column(parts, |p| offset(p.patterns_through)))
        .bind(parts.iter().map(|part| part.log_is_verified).collect::<Vec<_>>())
        .bind(&identity.cluster_id)
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing the positions"))?;
    Ok(())
}
