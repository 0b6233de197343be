//! A build that also reads Avro, where it is told of a schema registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use event_model::EventTime;
use schema_registry::{Registry, Schemas};
use windowing::{Content, Effect, Engine, Input, Record};

use super::RegistryArgs;

/// The formats that this process reads.
pub(crate) struct Formats(Option<Arc<Schemas>>);

impl Formats {
    /// JSON, and what the registry knows.
    ///
    /// # Errors
    /// The registry's settings can't be used. Whether it answers is found out with the first record that needs it.
    pub(crate) fn new(args: &RegistryArgs) -> anyhow::Result<Self> {
        let Some(url) = &args.schema_registry_url else {
            ensure!(
                args.schema_registry_ca.is_none(),
                "SCHEMA_REGISTRY_CA is set without SCHEMA_REGISTRY_URL"
            );
            return Ok(Formats(None));
        };
        let registry = Registry::new(url.expose(), args.schema_registry_ca.as_deref())?;
        tracing::info!(registry = registry.address(), "records in Avro are read too");
        let schemas =
            Schemas::new(registry).context("starting the thread that asks for schemas")?;
        Ok(Formats(Some(schemas)))
    }

    /// For one worker.
    pub(crate) fn contents(&self) -> Contents {
        let schemas = self.0.clone();
        Contents { reading: schemas.map(schema_registry::Contents::new), awaited: BTreeMap::new() }
    }
}

/// What stands in the records of one worker.
pub(crate) struct Contents {
    /// `None`: there is no registry, and whatever comes is taken for JSON.
    reading: Option<schema_registry::Contents>,
    /// Where a record could not be read, by partition: its offset, and the schema that it needs.
    awaited: BTreeMap<i32, (i64, u32)>,
}

impl Contents {
    /// Shows the core a record with its content, or what is awaited for it.
    pub(crate) fn show(
        &mut self,
        partition: i32,
        record: Record<'_>,
        now: EventTime,
        (engine, effects): (&mut Engine, &mut Vec<Effect>),
    ) {
        let content = match &mut self.reading {
            Some(reading) if engine.is_shown_records(partition) => reading.of(record.payload),
            // What comes of a partition that stands still is ignored whatever it is: nobody waits for its schema.
            _ => Ok(Content::Payload),
        };
        match content {
            Ok(content) => {
                let record = Record { content, ..record };
                engine.apply(Input::Record { partition, record, now }, effects);
            }
            Err(awaited) => {
                let reason = reason(record.offset, &awaited.reason);
                self.awaited.insert(partition, (record.offset, awaited.schema));
                let input = Input::ContentAwaited { partition, record, now, reason: &reason };
                engine.apply(input, effects);
            }
        }
    }

    /// Tells the core of those that wait whether they still have to.
    pub(crate) fn judge(&mut self, engine: &mut Engine, effects: &mut Vec<Effect>) {
        let Some(reading) = &self.reading else { return };
        self.awaited.retain(|partition, (offset, schema)| {
            let said = reading.awaited(*schema).map(|said| reason(*offset, &said));
            let judged = Input::ContentJudged { partition: *partition, awaited: said.as_deref() };
            engine.apply(judged, effects);
            said.is_some()
        });
    }

    /// These partitions are not ours any more.
    pub(crate) fn forget(&mut self, partitions: &[i32]) {
        self.awaited.retain(|partition, _| !partitions.contains(partition));
    }
}

/// For the operator: which record it is, and what it waits for.
fn reason(offset: i64, said: &str) -> String {
    format!("the record at offset {offset}: {said}")
}
