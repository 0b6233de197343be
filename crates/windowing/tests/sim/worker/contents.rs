//! What stands in a record: for some a schema has to be known first, which is learned for good, when the registry answers.

use windowing::{Content, Input, Record};

use super::super::faults::Kind;
use super::super::logs::{Message, in_other_format};
use super::super::shared::Shared;
use super::{NOW, Worker};

/// Why a partition stands still.
pub(crate) const AWAITED: &str = "waits for a schema";

impl Worker {
    /// Shows the engine a record, with its content if that is known.
    pub(super) fn show(
        &mut self,
        partition: i32,
        message: &Message,
        record: Record<'_>,
        shared: &mut Shared,
    ) {
        let text;
        let content = match (message.schema(), &message.payload) {
            (Some(schema), Some(_)) if !self.learn(schema, shared) => {
                self.awaited.insert(partition, schema);
                let input = Input::ContentAwaited { partition, record, now: NOW, reason: AWAITED };
                return self.apply(input, shared);
            }
            (Some(_), Some(payload)) => {
                text = in_other_format(payload);
                Content::Json(&text)
            }
            _ => Content::Payload,
        };
        let record = Record { content, ..record };
        self.apply(Input::Record { partition, record, now: NOW }, shared);
    }

    /// Tells the engine whether what partitions stand still for is known meanwhile.
    pub(super) fn judge_contents(&mut self, shared: &mut Shared) {
        for (partition, schema) in std::mem::take(&mut self.awaited) {
            let is_known = self.learn(schema, shared);
            let awaited = (!is_known).then_some(AWAITED);
            self.apply(Input::ContentJudged { partition, awaited }, shared);
            if is_known {
                shared.faults.observe(Kind::RegistryAway);
            } else {
                self.awaited.insert(partition, schema);
            }
        }
    }

    fn learn(&mut self, schema: i64, shared: &Shared) -> bool {
        if shared.clock >= shared.registry_away_until {
            self.schemas.insert(schema);
        }
        self.schemas.contains(&schema)
    }
}
