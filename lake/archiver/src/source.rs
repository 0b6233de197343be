//! The topic: where its logs begin, and the records of the tasks, each partition's in its order.
//!
//! No consumer group: which partitions are read, and from where, is the tasks' matter alone, and nobody else is
//! disturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use event_model::decode_whole;
use follower::{Mark, Reading, Seen};
use log_reader::{Event, Queries, Read, Reader, Trouble};
use rdkafka::ClientConfig;
use windowing::{LogEnds, Position, Record, fingerprint_of};

use crate::files::Files;
use crate::rows::Place;

/// How long is waited for a record before it is looked whether to go on.
const WAIT: Duration = Duration::from_millis(100);
/// When of none of them anything comes for so long, the partitions that are not done are left out until the next time.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A client must be told some group's name; this one is never joined.
const NO_GROUP: &str = "telecom-archiver";

pub(crate) struct Source {
    kafka: ClientConfig,
    topic: String,
    queries: Queries,
    /// Kept between rounds, with the number of partitions among which its memory is divided.
    reader: Option<(Reader, usize)>,
}

/// What a record's event is for the batch.
pub(crate) enum Sink<'a> {
    /// It is written.
    Files(&'a mut Files),
    /// It is only judged.
    Nowhere,
}

impl Source {
    /// Nothing is asked or read yet.
    pub(crate) fn new(kafka: ClientConfig, topic: String) -> anyhow::Result<Self> {
        let queries = Queries::new(&kafka)?;
        Ok(Source { kafka, topic, queries, reader: None })
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Where the logs of these partitions begin and end.
    ///
    /// # Errors
    /// The brokers can't be asked.
    pub(crate) fn ends(&self, partitions: &[i32]) -> anyhow::Result<BTreeMap<i32, LogEnds>> {
        let ends = self.queries.all_log_ends(&self.topic, partitions);
        let ends = ends.with_context(|| format!("asking for the logs' ends of {}", self.topic))?;
        Ok(ends.into_iter().collect())
    }

    /// Reads until every reading is done, or `is_stopped`. The readings say what came of it.
    ///
    /// # Errors
    /// The client can't go on, a position lies outside its log, or a file can't be written.
    pub(crate) async fn read(
        &mut self,
        readings: &mut BTreeMap<i32, Reading>,
        mut sink: Sink<'_>,
        is_stopped: &AtomicBool,
    ) -> anyhow::Result<()> {
        let (mut reader, among) = match self.reader.take() {
            Some((reader, among)) if readings.len() <= among => (reader, among),
            _ => (self.open(readings.len())?, readings.len()),
        };
        let partitions: Vec<i32> = readings.keys().copied().collect();
        let from: Vec<_> =
            readings.iter().map(|(id, reading)| (*id, reading.begins_at())).collect();
        reader.take_over(&partitions, &from, false)?;
        let read = read_all(&mut reader, &self.topic, readings, &mut sink, is_stopped).await;
        // After a failure the client is not used again.
        if read.is_ok() {
            reader.give_up(&partitions)?;
            self.reader = Some((reader, among));
        }
        read
    }

    /// The record before a position, where one is shown at the offset before it.
    ///
    /// # Errors
    /// The client can't go on.
    pub(crate) fn mark_before(
        &self,
        partition: i32,
        position: Position,
    ) -> anyhow::Result<Option<Mark>> {
        let ends = self.ends(&[partition])?;
        let before = Position::at(position.offset() - 1);
        let is_there =
            ends.get(&partition).is_some_and(|ends| ends.low <= before && before < ends.stable);
        if !is_there {
            return Ok(None);
        }
        let mut reader = self.open(1)?;
        reader.take_over(&[partition], &[(partition, before)], false)?;
        let (mut mark, mut is_over) = (None, false);
        let until = Instant::now() + SILENCE_MAX;
        while !is_over && Instant::now() < until {
            reader.events(Duration::ZERO)?;
            reader.records(WAIT, |read| {
                is_over = !matches!(read, Read::Trouble(_));
                if let Read::Record { record, .. } = read
                    && record.offset == before.offset()
                {
                    mark = Some(Mark::of(fingerprint_of(&record)));
                }
                if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        Ok(mark)
    }

    fn open(&self, partitions: usize) -> anyhow::Result<Reader> {
        Reader::apart(self.kafka.clone(), NO_GROUP, self.topic.clone(), partitions)
    }
}

async fn read_all(
    reader: &mut Reader,
    topic: &str,
    readings: &mut BTreeMap<i32, Reading>,
    sink: &mut Sink<'_>,
    is_stopped: &AtomicBool,
) -> anyhow::Result<()> {
    let mut open: BTreeSet<i32> = readings.keys().copied().collect();
    let mut heard = Instant::now();
    while !open.is_empty() {
        if is_stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
        for event in reader.events(Duration::ZERO)? {
            if let Event::Trouble(trouble) = event {
                weigh(trouble)?;
            }
        }
        let (mut trouble, mut is_anything) = (None, false);
        reader.records(WAIT, |read| {
            let is_waiting = match read {
                Read::Record { partition, record } => {
                    let Some(reading) = readings.get_mut(&partition) else {
                        return ControlFlow::Continue(());
                    };
                    is_anything = true;
                    take(reading, &record, topic, sink) || reading.is_done()
                }
                Read::End { partition, end } => {
                    readings.get_mut(&partition).is_some_and(|reading| {
                        reading.see_end(end);
                        reading.is_done()
                    })
                }
                Read::Trouble(found) => {
                    trouble = Some(found);
                    true
                }
            };
            if is_waiting { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        trouble.map_or(Ok(()), weigh)?;
        if let Sink::Files(files) = sink {
            files.write().await?;
        }
        if is_anything {
            heard = Instant::now();
        }
        leave_out(reader, readings, &mut open, heard.elapsed() >= SILENCE_MAX)?;
        // Signals are heard here.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Takes a record in. `true`: there is enough to write.
fn take(reading: &mut Reading, record: &Record<'_>, topic: &str, sink: &mut Sink<'_>) -> bool {
    if reading.see(record) == Seen::Ignored {
        return false;
    }
    let decoded = record.payload.and_then(|payload| decode_whole(payload).ok());
    let event_time = decoded.as_ref().map(|event| event.view.event_time);
    let is_dead = reading.is_dead_letter(record, event_time);
    let event = decoded.filter(|_| !is_dead);
    reading.count(event.is_some());
    match (event, sink) {
        (Some(event), Sink::Files(files)) => {
            let key = reading.task().key;
            files.append(
                &event,
                Place {
                    topic,
                    generation: key.generation,
                    partition: key.partition,
                    offset: record.offset,
                    record_time: record.time.instant(),
                },
            )
        }
        _ => false,
    }
}

/// Stops reading what is done; all else too after too long a silence. A partition may well be silent while others are
/// read: they share one client.
fn leave_out(
    reader: &mut Reader,
    readings: &mut BTreeMap<i32, Reading>,
    open: &mut BTreeSet<i32>,
    is_silent: bool,
) -> anyhow::Result<()> {
    for (partition, reading) in readings {
        if !open.contains(partition) {
            continue;
        }
        if !reading.is_done() && is_silent {
            reading.give_up();
        }
        if reading.is_done() {
            open.remove(partition);
            reader.hold_back(*partition)?;
        }
    }
    Ok(())
}

fn weigh(trouble: Trouble) -> anyhow::Result<()> {
    match trouble {
        Trouble::Passing(error) => tracing::warn!(%error, "Kafka"),
        Trouble::OutsideLog(said) => bail!("a position lies outside its log: {said}"),
        Trouble::UnreadableBatch(said) => bail!("records can't be read: {said}"),
    }
    Ok(())
}
