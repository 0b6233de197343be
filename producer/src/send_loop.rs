//! The loop between records and sink: waits for a record's turn and hands it over.
//!
//! In: records, their pace, a sink. Out: how many were handed over and why it ended. Keeps I-6
//! (boundedness): it holds one record, and a sink that is full makes it wait.

use std::time::{Duration, Instant};

use chrono::Utc;
use event_model::EventTime;

use crate::pace::{Now, Pace};
use crate::sink::{Offer, Sink, SinkError};
use crate::stop::Stop;

/// The shortest pause: sleeping less costs more than sending a few records late together.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause, after which the sink may do its chores.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Pause before a record is offered again to a sink that is full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// What there is to send.
pub(crate) trait RecordSource {
    /// The next record, its payload put into `payload`; `None`: there are no more.
    fn next(&mut self, payload: &mut Vec<u8>) -> Option<Outgoing>;

    /// The key of the last one.
    fn key(&self) -> &str;

    /// The sink has taken the last one.
    fn taken(&mut self) -> std::io::Result<()>;
}

/// What stands on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// When it is sent.
    pub(crate) due: EventTime,
    /// Where to, unless the key shall decide.
    pub(crate) partition: Option<i32>,
    /// Whether there is anything inside.
    pub(crate) has_payload: bool,
}

/// Why the send_loop ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// There are no more records.
    Complete,
    /// It was told to.
    Stopped,
    /// The sink takes no more.
    Refused(SinkError),
    /// The truth can't be written down.
    Unrecorded(std::io::Error),
}

/// Sends `count` records at most, until there are none, it is told to stop, or the sink refuses.
pub(crate) fn send_loop(
    records: &mut dyn RecordSource,
    count: u64,
    pace: Pace,
    sink: &mut dyn Sink,
    stop: &Stop,
) -> (u64, Ended) {
    let started = Instant::now();
    let mut payload = Vec::new();
    let mut sent = 0;
    while sent < count {
        let Some(outgoing) = records.next(&mut payload) else { break };
        let outcome = wait_for_turn(outgoing.due, sent, pace, started, sink, stop)
            .and_then(|()| {
                let payload = outgoing.has_payload.then_some(payload.as_slice());
                hand_over(records.key(), payload, outgoing.partition, sink, stop)
            })
            .and_then(|()| {
                sent += 1;
                records.taken().map_err(Ended::Unrecorded)
            });
        if let Err(ended) = outcome {
            return (sent, ended);
        }
    }
    (sent, Ended::Complete)
}

fn wait_for_turn(
    due: EventTime,
    index: u64,
    pace: Pace,
    started: Instant,
    sink: &mut dyn Sink,
    stop: &Stop,
) -> Result<(), Ended> {
    if stop.is_requested() {
        return Err(Ended::Stopped);
    }
    if pace.is_unlimited() {
        return Ok(());
    }
    loop {
        let now = Now { wall: EventTime::from(Utc::now()), elapsed: started.elapsed() };
        let wait = pace.wait(index, due, now);
        if wait.is_zero() {
            return Ok(());
        }
        sink.idle().map_err(Ended::Refused)?;
        if stop.is_requested_within(wait.clamp(PAUSE_MIN, PAUSE_MAX)) {
            return Err(Ended::Stopped);
        }
    }
}

fn hand_over(
    key: &str,
    payload: Option<&[u8]>,
    partition: Option<i32>,
    sink: &mut dyn Sink,
    stop: &Stop,
) -> Result<(), Ended> {
    while sink.offer(key, payload, partition).map_err(Ended::Refused)? == Offer::Full {
        sink.idle().map_err(Ended::Refused)?;
        if stop.is_requested_within(FULL_PAUSE) {
            return Err(Ended::Stopped);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Clock;
    use crate::sink::Tally;

    const START: EventTime = EventTime::from_millis(1_762_646_400_000);

    /// Takes records as its script says: `true` takes one, `false` has no room; then it refuses.
    struct Scripted {
        script: Vec<bool>,
        offers: usize,
        taken: Vec<(String, Option<Vec<u8>>)>,
    }

    impl Scripted {
        fn new(script: &[bool]) -> Self {
            Scripted { script: script.to_vec(), offers: 0, taken: Vec::new() }
        }
    }

    impl Sink for Scripted {
        fn offer(
            &mut self,
            key: &str,
            payload: Option<&[u8]>,
            _partition: Option<i32>,
        ) -> Result<Offer, SinkError> {
            self.offers += 1;
            match self.script.get(self.offers - 1) {
                None => Err(SinkError::ReaderGone),
                Some(false) => Ok(Offer::Full),
                Some(true) => {
                    self.taken.push((key.to_owned(), payload.map(<[u8]>::to_vec)));
                    Ok(Offer::Taken)
                }
            }
        }

        fn idle(&mut self) -> Result<(), SinkError> {
            Ok(())
        }

        fn finish(&mut self, _stop: &Stop) -> Result<Tally, SinkError> {
            Ok(Tally::default())
        }
    }

    /// Records 0, 1, 2, …, every third without a payload.
    struct Numbered {
        count: u64,
        due: EventTime,
        key: String,
        handed_out: u64,
        taken: u64,
    }

    impl Numbered {
        fn new(count: u64, due: EventTime) -> Self {
            Numbered { count, due, key: String::new(), handed_out: 0, taken: 0 }
        }

        fn payload(number: u64) -> Option<Vec<u8>> {
            (number % 3 != 2).then(|| format!("payload {number}").into_bytes())
        }
    }

    impl RecordSource for Numbered {
        fn next(&mut self, payload: &mut Vec<u8>) -> Option<Outgoing> {
            let number = self.handed_out;
            self.handed_out += 1;
            self.key = format!("key {number}");
            let text = Numbered::payload(number);
            let has_payload = text.is_some();
            *payload = text.unwrap_or_default();
            let outgoing = Outgoing { due: self.due, partition: None, has_payload };
            (number < self.count).then_some(outgoing)
        }

        fn key(&self) -> &str {
            &self.key
        }

        fn taken(&mut self) -> std::io::Result<()> {
            self.taken += 1;
            Ok(())
        }
    }

    #[test]
    fn a_full_sink_gets_every_letter_once_and_in_order() {
        let mut records = Numbered::new(3, START);
        let mut sink = Scripted::new(&[false, false, true, true, false, true]);
        let (_stopper, stop) = Stop::pair();
        let (sent, ended) = send_loop(&mut records, u64::MAX, Pace::default(), &mut sink, &stop);
        assert!(matches!(ended, Ended::Complete), "{ended:?}");
        assert_eq!((sent, records.taken), (3, 3));
        let expected: Vec<_> =
            (0..3).map(|number| (format!("key {number}"), Numbered::payload(number))).collect();
        assert_eq!(sink.taken, expected);
    }

    #[test]
    fn no_more_letters_are_sent_than_asked_for() {
        let mut records = Numbered::new(9, START);
        let mut sink = Scripted::new(&[true; 9]);
        let (_stopper, stop) = Stop::pair();
        let (sent, ended) = send_loop(&mut records, 4, Pace::default(), &mut sink, &stop);
        assert!(matches!(ended, Ended::Complete), "{ended:?}");
        assert_eq!((sent, sink.taken.len(), records.taken), (4, 4, 4));
    }

    #[test]
    fn a_refusal_ends_it_with_what_was_taken_before() {
        let mut records = Numbered::new(5, START);
        let mut sink = Scripted::new(&[true, true]);
        let (_stopper, stop) = Stop::pair();
        let (sent, ended) = send_loop(&mut records, u64::MAX, Pace::default(), &mut sink, &stop);
        assert!(matches!(ended, Ended::Refused(SinkError::ReaderGone)), "{ended:?}");
        assert_eq!((sent, records.taken), (2, 2));
    }

    #[test]
    fn a_stop_ends_the_wait_for_a_letter_s_time_and_for_room() {
        let far_ahead = EventTime::END_ACCEPTED;
        let live = Pace { clock: Clock::Wall, per_second: None };
        for (name, due, pace, script) in [
            ("its time", far_ahead, live, vec![true]),
            ("room", START, Pace::default(), vec![false; 1_000_000]),
        ] {
            let (stopper, stop) = Stop::pair();
            let mut sink = Scripted::new(&script);
            let ended = std::thread::scope(|scope| {
                let sending = scope
                    .spawn(|| send_loop(&mut Numbered::new(1, due), 1, pace, &mut sink, &{ stop }));
                drop(stopper);
                sending.join().unwrap()
            });
            assert!(matches!(ended, (0, Ended::Stopped)), "{name}: {ended:?}");
        }
    }
}
