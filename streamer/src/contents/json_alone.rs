//! A build that reads JSON alone.

use anyhow::ensure;
use event_model::EventTime;
use windowing::{Effect, Engine, Input, Record};

use super::RegistryArgs;

/// The formats that this process reads.
pub(crate) struct Formats;

impl Formats {
    /// Only JSON.
    ///
    /// # Errors
    /// Avro is asked for.
    pub(crate) fn new(args: &RegistryArgs) -> anyhow::Result<Self> {
        ensure!(
            args.schema_registry_url.is_none(),
            "SCHEMA_REGISTRY_URL is set, and this build reads no Avro: use the image, or build with `--features streamer/avro`"
        );
        Ok(Formats)
    }

    /// For one worker.
    #[allow(clippy::unused_self, reason = "with the feature `avro` there is more to it")]
    pub(crate) fn contents(&self) -> Contents {
        Contents
    }
}

/// What stands in the records of one worker.
pub(crate) struct Contents;

#[allow(clippy::unused_self, reason = "with the feature `avro` there is more to it")]
impl Contents {
    /// Shows the core a record.
    pub(crate) fn show(
        &mut self,
        partition: i32,
        record: Record<'_>,
        now: EventTime,
        (engine, effects): (&mut Engine, &mut Vec<Effect>),
    ) {
        engine.apply(Input::Record { partition, record, now }, effects);
    }

    /// Nothing is ever awaited.
    pub(crate) fn judge(&mut self, _: &mut Engine, _: &mut Vec<Effect>) {}

    /// Nothing is known of any partition.
    pub(crate) fn forget(&mut self, _: &[i32]) {}
}
