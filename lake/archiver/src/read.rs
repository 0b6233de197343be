//! Reading the lake's files: batch by batch, and only the columns that are asked for.
#![allow(
    deprecated,
    reason = "what is to take the place of ParquetObjectReader is an example to copy"
)]

use std::sync::Arc;

use anyhow::Context;
use arrow_array::RecordBatch;
use futures_util::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::async_reader::{ParquetObjectReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

const ROWS_OF_A_BATCH: usize = 4_096;

/// A file's batches, as they come.
pub(crate) type Batches = ParquetRecordBatchStream<ParquetObjectReader>;

/// Opens a file. `columns`: of these names, in the file's order; `None`: all.
pub(crate) async fn batches(
    store: Arc<dyn ObjectStore>,
    path: &str,
    columns: Option<&[&str]>,
) -> anyhow::Result<Batches> {
    let reader = ParquetObjectReader::new(store, Path::from(path));
    let opened = ParquetRecordBatchStreamBuilder::new(reader).await;
    let builder = opened.with_context(|| format!("opening the lake's file {path}"))?;
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(names) => ProjectionMask::columns(builder.parquet_schema(), names.iter().copied()),
    };
    let built = builder.with_projection(mask).with_batch_size(ROWS_OF_A_BATCH).build();
    built.with_context(|| format!("reading the lake's file {path}"))
}

pub(crate) async fn next(batches: &mut Batches) -> anyhow::Result<Option<RecordBatch>> {
    batches.next().await.transpose().context("reading a file of the lake")
}
