//! Rows of `subscriber_sketches`: merging a flush's sketches into them, and reading one.
//!
//! In: what a flush counted, sorted by key, each key once. Out: merged rows, in the same transaction
//! as the positions (I-2). A stored sketch that is damaged is an error that names its row, and
//! nothing is merged into it (I-7).

use chrono::NaiveDate;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use windowing::results::Subscribed;
use windowing::{DayGroup, StoredSketch, SubscriberSketch, SubscriberUnion};

use super::Stored;
use crate::StoreError;

/// Rows that are locked, merged and written at a time: two megabytes of sketches.
const ROWS_AT_A_TIME: usize = 1_000;

/// What a flush adds to one row.
type Addition<'a> = (&'a DayGroup, Vec<&'a SubscriberSketch>);

impl Stored for Subscribed {
    async fn store<'a>(
        connection: &mut PgConnection,
        _topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        merge_sketches(connection, rows).await
    }

    fn name((group, _): &Addition<'_>) -> String {
        let DayGroup { date, zone, event_type, region } = group;
        format!("{date}, {zone}, {event_type}, {region}")
    }
}

/// Merges the sketches into their rows. `additions` are sorted by key, each key once.
async fn merge_sketches(
    connection: &mut PgConnection,
    additions: &[Addition<'_>],
) -> Result<(), StoreError> {
    if additions.is_empty() {
        return Ok(());
    }
    let Keys { dates, zones, event_types, regions } = Keys::of(additions);
    sqlx::query(include_str!("../queries/make_sketch_rows.sql"))
        .bind(dates)
        .bind(zones)
        .bind(event_types)
        .bind(regions)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::sql("making rows of subscriber_sketches"))?;
    for chunk in additions.chunks(ROWS_AT_A_TIME) {
        let rows = lock(connection, chunk).await?;
        let merged: Vec<StoredSketch> =
            rows.into_iter().zip(chunk).map(merge).collect::<Result<_, StoreError>>()?;
        update(connection, chunk, merged).await?;
    }
    Ok(())
}

/// The rows' keys, a column each.
struct Keys<'a> {
    dates: Vec<NaiveDate>,
    zones: Vec<&'static str>,
    event_types: Vec<&'a str>,
    regions: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(additions: &[Addition<'a>]) -> Self {
        let groups = || additions.iter().map(|(group, _)| *group);
        Keys {
            dates: groups().map(|group| group.date).collect(),
            zones: groups().map(|group| group.zone.name()).collect(),
            event_types: groups().map(|group| &*group.event_type).collect(),
            regions: groups().map(|group| &*group.region).collect(),
        }
    }
}

/// The additions' rows, in the same order, which is why their keys need not be sent back.
async fn lock(
    connection: &mut PgConnection,
    additions: &[Addition<'_>],
) -> Result<Vec<SketchColumns>, StoreError> {
    let locking = "locking rows of subscriber_sketches";
    let Keys { dates, zones, event_types, regions } = Keys::of(additions);
    let rows: Vec<SketchColumns> = sqlx::query_as(include_str!("../queries/lock_sketches.sql"))
        .bind(dates)
        .bind(zones)
        .bind(event_types)
        .bind(regions)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(locking))?;
    // Somebody has just deleted one: the next attempt makes it again.
    if rows.len() != additions.len() {
        return Err(StoreError::sql(locking)(sqlx::Error::RowNotFound));
    }
    Ok(rows)
}

fn merge((row, addition): (SketchColumns, &Addition<'_>)) -> Result<StoredSketch, StoreError> {
    let (_, sketches) = addition;
    let mut union = SubscriberUnion::default();
    if let Some(stored) = row.read(|| Subscribed::name(addition))? {
        union.add(&stored);
    }
    for sketch in sketches {
        union.add(sketch);
    }
    Ok(union.to_stored())
}

async fn update(
    connection: &mut PgConnection,
    additions: &[Addition<'_>],
    merged: Vec<StoredSketch>,
) -> Result<(), StoreError> {
    let Keys { dates, zones, event_types, regions } = Keys::of(additions);
    sqlx::query(include_str!("../queries/update_sketches.sql"))
        .bind(dates)
        .bind(zones)
        .bind(event_types)
        .bind(regions)
        .bind(merged.iter().map(|sketch| sketch.events_by_subscriber_id).collect::<Vec<_>>())
        .bind(merged.iter().map(|sketch| sketch.events_by_msisdn).collect::<Vec<_>>())
        .bind(merged.iter().map(|sketch| sketch.bytes.as_slice()).collect::<Vec<_>>())
        .bind(merged.iter().map(|sketch| i64::from(sketch.crc)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing into subscriber_sketches"))?;
    Ok(())
}

/// A row, as the batcher reads it.
#[derive(FromRow)]
pub(crate) struct SketchRow {
    business_day: NaiveDate,
    business_timezone: String,
    pub(crate) event_type: String,
    pub(crate) region: String,
    #[sqlx(flatten)]
    columns: SketchColumns,
}

impl SketchRow {
    /// The sketch; `None`: the row has just been made. To be asked for once.
    pub(crate) fn read(&mut self) -> Result<Option<SubscriberSketch>, StoreError> {
        let SketchRow { business_day, business_timezone, event_type, region, columns } = self;
        let row = || format!("{business_day}, {business_timezone}, {event_type}, {region}");
        std::mem::take(columns).read(row)
    }
}

/// What a row holds beside its key.
#[derive(Default, FromRow)]
struct SketchColumns {
    events_by_subscriber_id: i64,
    events_by_msisdn: i64,
    sketch: Option<Vec<u8>>,
    sketch_crc: Option<i64>,
}

impl SketchColumns {
    /// The sketch of the row of this name; `None`: it has just been made.
    fn read(self, row: impl FnOnce() -> String) -> Result<Option<SubscriberSketch>, StoreError> {
        let (Some(bytes), Some(crc)) = (self.sketch, self.sketch_crc) else { return Ok(None) };
        let stored = StoredSketch {
            bytes,
            // The column is BIGINT because PostgreSQL has no unsigned 32-bit type.
            crc: u32::try_from(crc).unwrap_or_default(),
            events_by_subscriber_id: self.events_by_subscriber_id,
            events_by_msisdn: self.events_by_msisdn,
        };
        let damaged = |source| StoreError::DamagedSketch { row: row(), source };
        SubscriberSketch::from_stored(&stored).map(Some).map_err(damaged)
    }
}
