//! What stands in a payload in Confluent's frame: a zero byte, the number of a schema in four bytes, then a body.
//!
//! ```text
//!   0 │ number │ {"event_type": …}   JSON, whatever the number is: read as it is, nobody is asked
//!   0 │ number │ Avro                schema of this number ─► datum ─► the same members as JSON ─► the one decoder
//! ```
//!
//! In: payloads, and a registry with Confluent's interface. Out: `Content`, or what has to be known first (`Awaited`).
//! What a number stands for never changes in a registry, so it is asked for once in the life of a process. Keeps I-14: an
//! event is accepted, refused and counted by the decoder of the contract, whatever its format; and a record whose schema is not
//! known is neither an event nor a dead letter.
#![cfg(feature = "avro")]

mod client;
mod json;
mod schema;
mod schemas;

use std::sync::Arc;

use event_model::{Dead, DeadReason, needs_schema};
use windowing::Content;

pub use client::{Registry, RegistryError};
pub use schemas::Schemas;

use schema::Schema;
use schemas::Looked;

/// What has to be known before a record can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The number of the schema.
    pub schema: u32,
    /// Why it is not known, for the operator.
    pub reason: String,
}

/// Reads the contents of one worker's records.
pub struct Contents {
    schemas: Arc<Schemas>,
    /// The members of the last Avro record, as JSON.
    text: Vec<u8>,
    /// Why the last record can't be used.
    dead: Option<Dead>,
}

impl Contents {
    /// Knows what these schemas know.
    pub fn new(schemas: Arc<Schemas>) -> Self {
        Contents { schemas, text: Vec::new(), dead: None }
    }

    /// What stands in a payload. Waits for a bounded time where its schema has not been asked for before.
    ///
    /// # Errors
    /// [`Awaited`]: its schema is not known yet, or not known to the registry.
    pub fn of(&mut self, payload: Option<&[u8]>) -> Result<Content<'_>, Awaited> {
        let Some((number, body)) = payload.and_then(needs_schema) else {
            return Ok(Content::Payload);
        };
        let schema = match self.schemas.get(number) {
            Looked::Known(schema) => schema,
            Looked::Missing(reason) => return Err(Awaited { schema: number, reason }),
        };
        let fault = match &*schema {
            Schema::Json => return Ok(Content::Payload),
            Schema::Unfit(fault) => fault.clone(),
            Schema::Avro(avro) => match avro.write_json(body, &mut self.text) {
                Ok(()) => return Ok(Content::Json(&self.text)),
                Err(fault) => fault,
            },
        };
        let detail = format!("payload has schema {number}: {}", event_model::visible(&fault, 200));
        Ok(Content::Unusable(self.dead.insert(Dead { reason: DeadReason::NotJson, detail })))
    }

    /// Why this schema is not known, if so; never waits.
    pub fn awaited(&self, schema: u32) -> Option<String> {
        match self.schemas.look(schema) {
            Looked::Known(_) => None,
            Looked::Missing(reason) => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests;
