//! Writing a day's events anew: fewer files, or the same without some rows.
//!
//! In: batches of the lake's own files. Out: files of a day, ended at a size, as `add` actions.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::RecordBatch;
use arrow_array::types::TimestampMicrosecondType;
use deltalake_core::kernel::Add;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;

use crate::dates::date;
use crate::files::{file_name, make_durable, properties, stats};
use crate::rows::schema;
use crate::store;
use crate::table::Table;
use crate::totals::numbers;

/// A file is sent in parts of this size.
const PART_BYTES: usize = 5 << 20;

/// Files of one day under way.
pub(crate) struct Rewriter<'a> {
    table: &'a Table,
    day: i32,
    file_size: usize,
    /// Whether rows are other ones than before.
    changes_rows: bool,
    open: Option<Open>,
    finished: Vec<Add>,
}

struct Open {
    path: Path,
    parquet: AsyncArrowWriter<BufWriter>,
    count: i64,
    times: (i64, i64),
}

impl<'a> Rewriter<'a> {
    /// Nothing yet of this day (since 1970).
    pub(crate) fn new(table: &'a Table, day: i32, file_size: usize, changes_rows: bool) -> Self {
        Rewriter { table, day, file_size, changes_rows, open: None, finished: Vec::new() }
    }

    pub(crate) async fn push(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(self.table, self.day)?),
        };
        for micros in numbers::<TimestampMicrosecondType>(batch, "timestamp")?.iter().flatten() {
            open.times = (open.times.0.min(micros), open.times.1.max(micros));
        }
        open.count += i64::try_from(batch.num_rows())?;
        let written = open.parquet.write(batch).await;
        written.with_context(|| format!("writing {} in {}", open.path, self.table.url()))?;
        if open.parquet.bytes_written() + open.parquet.in_progress_size() >= self.file_size {
            self.end_file().await?;
        }
        Ok(())
    }

    /// Ends the last file.
    pub(crate) async fn finish(mut self) -> anyhow::Result<Vec<Add>> {
        self.end_file().await?;
        if let Some(folder) = store::folder(self.table.url()) {
            let paths = self.finished.iter().map(|add| folder.join(&add.path)).collect();
            tokio::task::spawn_blocking(|| make_durable(paths)).await??;
        }
        Ok(self.finished)
    }

    async fn end_file(&mut self) -> anyhow::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let ended = open.parquet.finish().await;
        ended.with_context(|| format!("writing {} in {}", open.path, self.table.url()))?;
        self.finished.push(Add {
            path: open.path.to_string(),
            partition_values: HashMap::from([("event_date".to_owned(), Some(date(self.day)))]),
            size: i64::try_from(open.parquet.bytes_written())?,
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: self.changes_rows,
            stats: Some(stats(open.count, open.times)),
            ..Add::default()
        });
        Ok(())
    }
}

fn open(table: &Table, day: i32) -> anyhow::Result<Open> {
    let path = Path::from(file_name(table.version(), day));
    let sending = BufWriter::with_capacity(Arc::clone(&table.store()), path.clone(), PART_BYTES)
        .with_max_concurrency(1);
    let parquet = AsyncArrowWriter::try_new(sending, schema(), Some(properties()))?;
    Ok(Open { path, parquet, count: 0, times: (i64::MAX, i64::MIN) })
}
