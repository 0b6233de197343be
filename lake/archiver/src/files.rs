//! Parquet files under way: one for each day that is open, written as a stream, so that memory grows neither with
//! a batch nor with the days in it.
//!
//! In: events in any order of days. Out: finished files, as `add` actions for one commit. A file that is not
//! committed is nobody's; [`Files::drop_all`] removes what it can of it while no commit was tried, a vacuum the rest.
//!
//! The name of a file begins with the table's version that its batch was read against: by it a vacuum tells files
//! of batches that can still be committed from those that never will be.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Context;
use arrow_array::RecordBatch;
use deltalake_core::kernel::{Action, Add};
use event_model::WholeEvent;
use follower::{OpenDates, Room};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use url::Url;
use uuid::Uuid;

use crate::dates::date;
use crate::rows::{Place, Rows, day_of, schema};
use crate::store;

/// At most so many days' files are open at once.
const OPEN_DAYS_MAX: usize = 12;
/// Rows that are collected before they are encoded …
const ROWS_ENCODED_AT: usize = 2_048;
/// … or fewer, where their texts take so much.
const TEXT_BYTES_ENCODED_AT: usize = 1 << 20;
/// Rows of one row group of a Parquet file.
const ROWS_OF_A_GROUP: usize = 131_072;
/// Encoded row groups under way of all open files together; the largest is ended when they are more.
const ENCODED_BYTES_MAX: usize = 24 << 20;
/// A file is sent in parts of this size.
const PART_BYTES: usize = 5 << 20;
/// … of which so many are under way at once.
const PARTS_AT_ONCE: usize = 2;

/// What a batch writes.
pub(crate) struct Files {
    store: Arc<dyn ObjectStore>,
    url: Url,
    /// The table's version that the batch was read against.
    base: u64,
    file_size: usize,
    dates: OpenDates,
    open: BTreeMap<i32, OpenFile>,
    /// To be finished when there is time to wait.
    closing: Vec<(i32, OpenFile)>,
    finished: Vec<Add>,
}

struct OpenFile {
    rows: Rows,
    /// There is one once rows were encoded.
    writer: Option<Writer>,
    count: i64,
    /// Smallest and greatest event time, microseconds.
    times: (i64, i64),
}

struct Writer {
    path: Path,
    parquet: AsyncArrowWriter<BufWriter>,
}

impl Files {
    /// None yet, of a batch that is read against this version of the table.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, url: &Url, base: u64, file_size: usize) -> Self {
        Files {
            store,
            url: url.clone(),
            base,
            file_size,
            dates: OpenDates::at_most(OPEN_DAYS_MAX),
            open: BTreeMap::new(),
            closing: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Adds an event. `true`: [`Files::write`] has something to do.
    pub(crate) fn append(&mut self, event: &WholeEvent<'_>, place: Place<'_>) -> bool {
        let day = day_of(event.view.event_time);
        let room = self.dates.make_room(day);
        if let Room::NewAfterClosing(former) = room
            && let Some(file) = self.open.remove(&former)
        {
            self.closing.push((former, file));
        }
        let file = self.open.entry(day).or_insert_with(OpenFile::new);
        file.append(event, place);
        !self.closing.is_empty() || file.is_full()
    }

    /// Encodes what has been collected, where it is enough, and ends files that are large enough.
    pub(crate) async fn write(&mut self) -> anyhow::Result<()> {
        while let Some((day, file)) = self.closing.pop() {
            self.finish_one(day, file).await?;
        }
        let full: Vec<i32> =
            self.open.iter().filter(|(_, file)| file.is_full()).map(|(day, _)| *day).collect();
        for day in full {
            let Some(mut file) = self.open.remove(&day) else { continue };
            self.encode(day, &mut file).await?;
            if file.bytes() >= self.file_size {
                self.dates.close(day);
                self.finish_one(day, file).await?;
            } else {
                self.open.insert(day, file);
            }
        }
        self.keep_memory_bounded().await
    }

    /// Ends all files.
    pub(crate) async fn finish(&mut self) -> anyhow::Result<Vec<Action>> {
        self.write().await?;
        for (day, file) in std::mem::take(&mut self.open) {
            self.finish_one(day, file).await?;
        }
        if let Some(folder) = store::folder(&self.url) {
            let paths = self.finished.iter().map(|add| folder.join(&add.path)).collect();
            tokio::task::spawn_blocking(|| make_durable(paths)).await??;
        }
        Ok(self.finished.iter().cloned().map(Action::Add).collect())
    }

    /// Bytes of the finished files.
    pub(crate) fn bytes(&self) -> i64 {
        self.finished.iter().map(|add| add.size).sum()
    }

    /// Removes finished files that nobody has tried to commit. What can't be removed is left to a vacuum.
    pub(crate) async fn drop_all(self) {
        for add in &self.finished {
            if let Err(error) = self.store.delete(&Path::from(add.path.as_str())).await {
                tracing::debug!(file = %add.path, %error, "left to a vacuum");
            }
        }
    }

    async fn encode(&self, day: i32, file: &mut OpenFile) -> anyhow::Result<()> {
        if file.rows.len() == 0 {
            return Ok(());
        }
        let batch: RecordBatch = file.rows.take()?;
        let writer = match &mut file.writer {
            Some(writer) => writer,
            none => none.insert(self.open_writer(day)?),
        };
        let written = writer.parquet.write(&batch).await;
        written.with_context(|| format!("writing {} in {}", writer.path, self.url))
    }

    fn open_writer(&self, day: i32) -> anyhow::Result<Writer> {
        let path = Path::from(file_name(self.base, day));
        let sending = BufWriter::with_capacity(Arc::clone(&self.store), path.clone(), PART_BYTES)
            .with_max_concurrency(PARTS_AT_ONCE);
        let parquet = AsyncArrowWriter::try_new(sending, schema(), Some(properties()))?;
        Ok(Writer { path, parquet })
    }

    async fn finish_one(&mut self, day: i32, mut file: OpenFile) -> anyhow::Result<()> {
        self.encode(day, &mut file).await?;
        let Some(mut writer) = file.writer.take() else { return Ok(()) };
        let finished = writer.parquet.finish().await;
        finished.with_context(|| format!("writing {} in {}", writer.path, self.url))?;
        let size = i64::try_from(writer.parquet.bytes_written())?;
        self.finished.push(Add {
            path: writer.path.to_string(),
            partition_values: HashMap::from([("event_date".to_owned(), Some(date(day)))]),
            size,
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats(file.count, file.times)),
            ..Add::default()
        });
        Ok(())
    }

    async fn keep_memory_bounded(&mut self) -> anyhow::Result<()> {
        let under_way = |file: &OpenFile| {
            file.writer.as_ref().map_or(0, |writer| writer.parquet.in_progress_size())
        };
        while self.open.values().map(under_way).sum::<usize>() > ENCODED_BYTES_MAX {
            let Some(largest) = self.open.values_mut().max_by_key(|file| under_way(file)) else {
                break;
            };
            let Some(writer) = &mut largest.writer else { break };
            writer.parquet.flush().await?;
        }
        Ok(())
    }
}

impl OpenFile {
    fn new() -> Self {
        OpenFile { rows: Rows::new(), writer: None, count: 0, times: (i64::MAX, i64::MIN) }
    }

    fn append(&mut self, event: &WholeEvent<'_>, place: Place<'_>) {
        let micros = event.view.event_time.micros();
        self.times = (self.times.0.min(micros), self.times.1.max(micros));
        self.count += 1;
        self.rows.append(event, place);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_ENCODED_AT || self.rows.text_bytes() >= TEXT_BYTES_ENCODED_AT
    }

    fn bytes(&self) -> usize {
        self.writer
            .as_ref()
            .map_or(0, |writer| writer.parquet.bytes_written() + writer.parquet.in_progress_size())
    }
}

/// The name of a new file of a day.
pub(crate) fn file_name(base: u64, day: i32) -> String {
    format!("event_date={}/v{base}-{}.zstd.parquet", date(day), Uuid::new_v4())
}

/// How columns are written: what repeats as a dictionary, what rises as differences.
pub(crate) fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROWS_OF_A_GROUP))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_created_by("telecom archiver".to_owned());
    for name in ["timestamp", "offset", "record_time"] {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    // Every value is another one, or nearly so: a dictionary of them would only cost.
    for name in ["event_id", "counterparty_id", "data_mb"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    for name in ["timestamp", "offset", "generation", "partition"] {
        properties = properties
            .set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Chunk);
    }
    properties.build()
}

/// How files of few rows are written.
pub(crate) fn plain_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_created_by("telecom archiver".to_owned())
        .build()
}

/// A file's statistics as Delta writes them: times to the millisecond, the greatest one rounded up.
pub(crate) fn stats(count: i64, times: (i64, i64)) -> String {
    let millis = |millis: i64| {
        let at = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
        at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    };
    let (first, last) = (times.0.div_euclid(1_000), (times.1 + 999).div_euclid(1_000));
    serde_json::json!({
        "numRecords": count,
        "minValues": { "timestamp": millis(first) },
        "maxValues": { "timestamp": millis(last) },
        "nullCount": { "timestamp": 0 },
    })
    .to_string()
}

/// Puts files of a disk and their folders where a power cut leaves them: the store itself does not.
pub(crate) fn make_durable(paths: Vec<std::path::PathBuf>) -> anyhow::Result<()> {
    let mut folders = std::collections::BTreeSet::new();
    for path in &paths {
        let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
        synced.with_context(|| format!("{} can't be made durable", path.display()))?;
        folders.extend(path.parent().map(std::path::Path::to_owned));
    }
    for folder in folders {
        let synced = std::fs::File::open(&folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("{} can't be made durable", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_never_exclude_an_event_that_is_there() {
        let text = stats(3, (1_500, 2_001));
        let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(stats["numRecords"], 3);
        assert_eq!(stats["minValues"]["timestamp"], "1970-01-01T00:00:00.001Z");
        assert_eq!(stats["maxValues"]["timestamp"], "1970-01-01T00:00:00.003Z");
    }

    #[test]
    fn a_file_says_which_snapshot_its_batch_was_read_against() {
        let name = file_name(17, 20_401);
        assert!(name.starts_with("event_date=2025-11-09/v17-"), "{name}");
        assert_ne!(name, file_name(17, 20_401));
    }
}
