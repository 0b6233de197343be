//! The logs of a backtest: each from a mark on to the stored position, or to where nothing can be found any more.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use event_model::EventTime;
use log_reader::{Event, Read, Reader, Trouble};
use patterns::Hit;
use rdkafka::ClientConfig;
use store::StoredPartition;
use windowing::{LogEnds, PatternHistory, Position, Progress, Record, Replay, needed_after};

use super::Span;
use super::found::Found;

/// What the rules of one partition may remember, as in a streamer.
const RULE_BYTES_MAX: usize = 64 << 20;
/// A client needs a group's name to be told what to read; it never joins this one.
const NO_GROUP: &str = "telecom-rules-backtest";
/// After so many records what no window needs any more is let go of.
const RELEASE_EVERY: u32 = 4_096;
/// Waiting for the first record of a batch.
const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Nothing comes for so long although the logs go on: given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const MINUTE_MICROS: i64 = 60_000_000;

/// One partition's log.
pub(super) struct Log {
    pub(super) partition: i32,
    pub(super) generation: i32,
    progress: Progress,
    /// `None`: there is nothing to read.
    replay: Option<Replay>,
    span: Span,
    /// The first record that was read.
    pub(super) from: Position,
    /// Up to before here it is read.
    target: Position,
    /// From this watermark on no hit can lie in the span any more.
    known_at: Option<EventTime>,
    is_done: bool,
    /// Windows that begin before are not judged: events are missing.
    complete_after: Option<EventTime>,
    since_release: u32,
    hits: Vec<Hit>,
}

impl Log {
    pub(super) fn new(
        row: StoredPartition,
        history: PatternHistory,
        ends: &LogEnds,
        span: Span,
    ) -> Self {
        let StoredPartition { partition, progress, .. } = row;
        let needed = needed_after(Some(span.from), &history.set);
        let position = progress.next;
        let replay = Replay::new(history, ends.low, position, needed, RULE_BYTES_MAX);
        let from = replay.as_ref().map_or(position, Replay::next);
        let complete_after = match &replay {
            Some(replay) => replay.matcher().complete_after(),
            // All of it is gone, if ever there was any.
            None => progress.max_event_time,
        };
        // An event before `to` comes on time until its minute is over.
        let to_minute_end = |to: EventTime| {
            EventTime::from_micros(-(-to.micros()).div_euclid(MINUTE_MICROS) * MINUTE_MICROS)
        };
        Log {
            partition,
            generation: progress.generation,
            is_done: replay.is_none(),
            from,
            target: position.min(ends.stable),
            known_at: span.to.map(to_minute_end),
            complete_after: complete_after.filter(|after| Some(*after) > needed),
            progress,
            replay,
            span,
            since_release: 0,
            hits: Vec::new(),
        }
    }

    /// The next record to be read.
    pub(super) fn next(&self) -> Position {
        self.replay.as_ref().map_or(self.from, Replay::next)
    }

    /// How many events on time were judged.
    pub(super) fn events(&self) -> i64 {
        self.replay.as_ref().map_or(0, Replay::on_time)
    }

    /// Windows that begin up to here were not judged, if any; from the second time on all were.
    pub(super) fn blind(&self) -> Option<(EventTime, EventTime)> {
        let after = self.complete_after?;
        let lookback =
            self.replay.as_ref().map_or(0, |replay| replay.matcher().rules().lookback_micros());
        Some((after, after.plus_micros(lookback)))
    }

    /// The offset before which the log does not hold what was counted.
    pub(super) fn differs_before(&self) -> Option<i64> {
        let replay = self.replay.as_ref()?;
        let is_whole = self.next() < self.progress.next || replay.is_as_counted(&self.progress);
        let at_end = (!is_whole).then(|| self.progress.next.offset());
        replay.differs_before().or(at_end)
    }

    pub(super) fn is_another(&self) -> bool {
        self.differs_before().is_some()
    }

    fn take(&mut self, record: &Record<'_>, found: &mut Found) -> anyhow::Result<()> {
        let Some(replay) = self.replay.as_mut().filter(|_| !self.is_done) else { return Ok(()) };
        if record.offset >= self.target.offset() {
            self.reach_end();
            return Ok(());
        }
        replay.read(record, &mut self.hits);
        // What goes at the bound is missing.
        if let Some(lost) = replay.matcher_mut().take_lost() {
            self.complete_after = self.complete_after.max(Some(lost.complete_after));
        }
        for hit in self.hits.drain(..) {
            if self.span.contains(hit.evidence.window_end) {
                found.add((self.partition, self.generation), hit)?;
            }
        }
        self.since_release += 1;
        if self.since_release >= RELEASE_EVERY {
            self.since_release = 0;
            let (position, watermark) = (replay.next().offset(), replay.watermark());
            replay.matcher_mut().release(position, watermark);
        }
        let is_over = self.known_at.is_some_and(|known| replay.watermark() >= Some(known));
        self.is_done = is_over || replay.next() >= self.target;
        Ok(())
    }

    /// What lies between here and the target never held a record for us.
    fn reach_end(&mut self) {
        if let Some(replay) = self.replay.as_mut() {
            replay.skip_to(self.target);
        }
        self.is_done = true;
    }
}

/// Reads them to their ends.
///
/// # Errors
/// Kafka gives nothing out, or no longer has what is to be read.
pub(super) fn read_logs(
    kafka: &ClientConfig,
    topic: &str,
    logs: &mut [Log],
    found: &mut Found,
) -> anyhow::Result<()> {
    for log in logs.iter_mut() {
        log.is_done |= log.next() >= log.target;
    }
    let open = logs.iter().filter(|log| !log.is_done);
    let positions: Vec<(i32, Position)> = open.map(|log| (log.partition, log.next())).collect();
    if positions.is_empty() {
        return Ok(());
    }
    let partitions: Vec<i32> = positions.iter().map(|(partition, _)| *partition).collect();
    let mut reader = Reader::apart(kafka.clone(), NO_GROUP, topic.to_owned(), partitions.len())?;
    reader.take_over(&partitions, &positions, false)?;
    let (mut heard_at, mut held_back) = (Instant::now(), 0);
    while logs.iter().any(|log| !log.is_done) {
        for event in reader.events(Duration::ZERO)? {
            if let Event::Trouble(trouble) = event {
                tell(topic, trouble)?;
            }
        }
        let mut taken = Ok(());
        let records = reader.records(BATCH_WAIT, |read| {
            taken = take(topic, read, logs, found);
            if taken.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        taken?;
        if records > 0 {
            heard_at = Instant::now();
        }
        ensure!(
            heard_at.elapsed() < SILENCE_MAX,
            "no record of {topic} has come for {SILENCE_MAX:?}, although its logs go on: is the broker away?"
        );
        // What is read to its end needs no more room in the client.
        let done = logs.iter().filter(|log| log.is_done).count();
        if done > held_back {
            held_back = done;
            for log in logs.iter().filter(|log| log.is_done) {
                if reader.contains(log.partition) {
                    reader.hold_back(log.partition)?;
                }
            }
        }
    }
    Ok(())
}

fn take(topic: &str, read: Read<'_>, logs: &mut [Log], found: &mut Found) -> anyhow::Result<()> {
    match read {
        Read::Record { partition, record } => {
            match logs.iter_mut().find(|log| log.partition == partition) {
                Some(log) => log.take(&record, found),
                None => Ok(()),
            }
        }
        Read::End { partition, end } => {
            let log = logs.iter_mut().find(|log| log.partition == partition && !log.is_done);
            if let Some(log) = log.filter(|log| end >= log.target) {
                log.reach_end();
            }
            Ok(())
        }
        Read::Trouble(trouble) => tell(topic, trouble),
    }
}

fn tell(topic: &str, trouble: Trouble) -> anyhow::Result<()> {
    match trouble {
        Trouble::OutsideLog(said) => {
            bail!("{topic} has lost records while it was read: {said}; begin later")
        }
        Trouble::UnreadableBatch(said) => tracing::warn!(%said, "records that can't be read"),
        Trouble::Passing(error) => tracing::warn!(%error, "Kafka"),
    }
    Ok(())
}
