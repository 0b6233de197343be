//! Tables of few rows, and files that are written at once.

use std::sync::Arc;

use anyhow::Context;
use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use deltalake_core::kernel::{Add, StructField};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;

use crate::rows::delta_type;
use crate::store;
use crate::table::{Layout, Table};

/// The layout of a table with these columns and without partitions.
pub(crate) fn layout(schema: &Schema) -> Layout {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            StructField::new(field.name(), delta_type(field.data_type()), field.is_nullable())
        })
        .collect();
    Layout { columns, partitioned_by: &[] }
}

/// Writes rows as one file of a table, which a commit then adds. They are few enough to be held at once.
pub(crate) async fn write_file(table: &Table, batch: &RecordBatch) -> anyhow::Result<Add> {
    write_file_in(table, "", batch).await
}

/// The same in a folder of the table.
pub(crate) async fn write_file_in(
    table: &Table,
    folder: &str,
    batch: &RecordBatch,
) -> anyhow::Result<Add> {
    let schema: SchemaRef = batch.schema();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema, Some(crate::files::plain_properties()))?;
    writer.write(batch)?;
    let bytes = writer.into_inner()?;
    let size = i64::try_from(bytes.len())?;
    let file = format!("v{}-{}.zstd.parquet", table.version(), uuid::Uuid::new_v4());
    let name = if folder.is_empty() { file } else { format!("{folder}/{file}") };
    let path = Path::from(name.as_str());
    let written = table.store().put(&path, bytes.into()).await;
    written.with_context(|| format!("writing {name} in {}", table.url()))?;
    if let Some(folder) = store::folder(table.url()) {
        let paths = vec![folder.join(&name)];
        tokio::task::spawn_blocking(|| crate::files::make_durable(paths)).await??;
    }
    Ok(Add {
        path: name,
        size,
        modification_time: chrono::Utc::now().timestamp_millis(),
        data_change: true,
        stats: Some(serde_json::json!({ "numRecords": batch.num_rows() }).to_string()),
        ..Add::default()
    })
}

/// Reads all rows of a table's files, batch by batch.
pub(crate) async fn read_all(
    table: &Table,
    mut take: impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for path in table.paths()? {
        let store: Arc<dyn ObjectStore> = table.store();
        let mut batches = crate::read::batches(store, &path, None).await?;
        while let Some(batch) = crate::read::next(&mut batches).await? {
            take(&batch)?;
        }
    }
    Ok(())
}
