//! The post as the pump sees it, with the truth written beside it and progress shown.
//!
//! In: the [`Plan`] of a run. Out: letters, ready for the sink; the file of `--truth`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use chrono::Utc;
use chrono_tz::Tz;
use event_model::EventTime;
use generator::post::{Letter, Post};
use generator::truth::Truth;

use crate::config::Plan;
use crate::progress::Progress;
use crate::pump::{Envelope, Letters};

/// Letters for the pump.
pub(crate) struct Mailing {
    post: Post,
    truth: Option<Truth<BufWriter<File>>>,
    names_partitions: bool,
    last: Option<Letter>,
    progress: Progress,
}

/// Where the truth goes, and which zone's midnights bound its days.
#[derive(Clone, Debug)]
pub(crate) struct TruthFile {
    pub(crate) path: PathBuf,
    pub(crate) zone: Tz,
}

impl Mailing {
    /// The letters of a run, for a topic of so many partitions.
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
        Ok(Mailing {
            post: Post::new(&plan.draft, partitions),
            // Otherwise the client chooses, as its settings say.
            names_partitions: truth.is_some() || has_silence,
            truth,
            last: None,
            progress,
        })
    }

    /// Writes the rest of the truth.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.truth.map_or(Ok(()), |truth| truth.finish(&self.post))
    }
}

impl Letters for Mailing {
    fn next(&mut self, payload: &mut Vec<u8>) -> Option<Envelope> {
        let letter = self.post.next(payload)?;
        self.last = Some(letter);
        let partition = self.names_partitions.then_some(letter.partition.cast_signed());
        Some(Envelope { due: letter.due, partition, has_payload: letter.has_payload })
    }

    fn key(&self) -> &str {
        &self.post.event().subscriber_id
    }

    fn taken(&mut self) -> io::Result<()> {
        let Some(letter) = &self.last else { return Ok(()) };
        self.progress.sent(letter.due);
        match &mut self.truth {
            // What the broker will stamp on it.
            Some(truth) => truth.observe(letter, self.post.event(), EventTime::from(Utc::now())),
            None => Ok(()),
        }
    }
}
