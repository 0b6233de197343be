//! The schedule as the send_loop sees it, with the truth written beside it and progress shown.
//!
//! In: the [`Plan`] of a run. Out: records, ready for the sink; the file of `--truth`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use chrono::Utc;
use chrono_tz::Tz;
use event_model::EventTime;
use generator::schedule::{Schedule, ScheduledRecord};
use generator::truth::Truth;

use crate::config::{MessageKey, Plan};
use crate::progress::Progress;
use crate::send_loop::{Outgoing, RecordSource};

/// Records for the send_loop.
pub(crate) struct Outbox {
    schedule: Schedule,
    truth: Option<Truth<BufWriter<File>>>,
    names_partitions: bool,
    message_key: MessageKey,
    last: Option<ScheduledRecord>,
    progress: Progress,
}

/// Where the truth goes, and which zone's midnights bound its days.
#[derive(Clone, Debug)]
pub(crate) struct TruthFile {
    pub(crate) path: PathBuf,
    pub(crate) zone: Tz,
}

impl Outbox {
    /// The records of a run, for a topic of so many partitions.
    pub(crate) fn new(
        plan: &Plan,
        partitions: u32,
        truth: Option<&TruthFile>,
        progress: Progress,
    ) -> io::Result<Self> {
        let begin = |file: &TruthFile| {
            let writer = BufWriter::new(File::create(&file.path)?);
            Truth::begin(writer, &plan.draft, partitions, file.zone)
        };
        let truth = truth.map(begin).transpose()?;
        let has_silence = !plan.draft.scenario.faults.silent_partitions.is_empty();
        Ok(Outbox {
            schedule: Schedule::new(&plan.draft, partitions),
            // Otherwise the client chooses, as its settings say.
            names_partitions: truth.is_some() || has_silence,
            message_key: plan.message_key,
            truth,
            last: None,
            progress,
        })
    }

    /// Writes the rest of the truth.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.truth.map_or(Ok(()), |truth| truth.finish(&self.schedule))
    }
}

impl RecordSource for Outbox {
    fn next(&mut self, payload: &mut Vec<u8>) -> Option<Outgoing> {
        let record = self.schedule.next(payload)?;
        self.last = Some(record);
        let partition = self.names_partitions.then_some(record.partition.cast_signed());
        Some(Outgoing { due: record.due, partition, has_payload: record.has_payload })
    }

    fn key(&self) -> &str {
        let event = self.schedule.event();
        match self.message_key {
            MessageKey::Subscriber => &event.subscriber_id,
            MessageKey::Region => &event.region,
        }
    }

    fn taken(&mut self) -> io::Result<()> {
        let Some(record) = &self.last else { return Ok(()) };
        self.progress.sent(record.due);
        match &mut self.truth {
            // What the broker will stamp on it.
            Some(truth) => {
                truth.observe(record, self.schedule.event(), EventTime::from(Utc::now()))
            }
            None => Ok(()),
        }
    }
}
