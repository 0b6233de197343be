//! The loop between generator and sink: waits for an event's turn, encodes it, hands it over.
//!
//! In: events, their pace, a sink. Out: how many were handed over and why it ended. Keeps I-6
//! (boundedness): it holds one event, and a sink that is full makes it wait.

use std::time::{Duration, Instant};

use chrono::Utc;
use event_model::{Event, EventTime};

use crate::pace::{Now, Pace};
use crate::sink::{Offer, Sink, SinkError};
use crate::stop::Stop;

/// The shortest pause: sleeping less costs more than sending a few events late together.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause, after which the sink may do its chores.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Pause before an event is offered again to a sink that is full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// Why the pump ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// There are no more events.
    Complete,
    /// It was told to.
    Stopped,
    /// The sink takes no more.
    Refused(SinkError),
}

/// Sends events until there are none, it is told to stop, or the sink refuses.
pub(crate) fn pump(
    events: impl Iterator<Item = Event>,
    pace: Pace,
    sink: &mut dyn Sink,
    stop: &Stop,
) -> (u64, Ended) {
    let started = Instant::now();
    let mut payload = Vec::new();
    let mut sent = 0;
    for event in events {
        let outcome = wait_for_turn(&event, sent, pace, started, sink, stop).and_then(|()| {
            payload.clear();
            event.encode(&mut payload);
            hand_over(&event.subscriber_id, &payload, sink, stop)
        });
        match outcome {
            Ok(()) => sent += 1,
            Err(ended) => return (sent, ended),
        }
    }
    (sent, Ended::Complete)
}

fn wait_for_turn(
    event: &Event,
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
    let event_time = EventTime::from(event.timestamp);
    loop {
        let now = Now { wall: EventTime::from(Utc::now()), elapsed: started.elapsed() };
        let wait = pace.wait(index, event_time, now);
        if wait.is_zero() {
            return Ok(());
        }
        sink.idle().map_err(Ended::Refused)?;
        if stop.is_requested_within(wait.clamp(PAUSE_MIN, PAUSE_MAX)) {
            return Err(Ended::Stopped);
        }
    }
}

fn hand_over(key: &str, payload: &[u8], sink: &mut dyn Sink, stop: &Stop) -> Result<(), Ended> {
    while sink.offer(key, payload).map_err(Ended::Refused)? == Offer::Full {
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
    use crate::curve::RateCurve;
    use crate::generator::{Draft, Generator};
    use crate::pseudonym::SubscriberKey;
    use crate::sink::Tally;

    const START: EventTime = EventTime::from_millis(1_762_646_400_000);

    /// Takes events as its script says: `true` takes one, `false` has no room; then it refuses.
    struct Scripted {
        script: Vec<bool>,
        offers: usize,
        taken: Vec<(String, Vec<u8>)>,
    }

    impl Scripted {
        fn new(script: &[bool]) -> Self {
            Scripted { script: script.to_vec(), offers: 0, taken: Vec::new() }
        }
    }

    impl Sink for Scripted {
        fn offer(&mut self, key: &str, payload: &[u8]) -> Result<Offer, SinkError> {
            self.offers += 1;
            match self.script.get(self.offers - 1) {
                None => Err(SinkError::ReaderGone),
                Some(false) => Ok(Offer::Full),
                Some(true) => {
                    self.taken.push((key.to_owned(), payload.to_vec()));
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

    fn events(count: usize) -> Vec<Event> {
        Generator::new(&Draft {
            seed: 1,
            from: START,
            to: EventTime::END_ACCEPTED,
            curve: RateCurve::Flat { per_second: 10.0 },
            key: SubscriberKey::demo(),
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_full_sink_gets_every_event_once_and_in_order() {
        let events = events(3);
        let mut sink = Scripted::new(&[false, false, true, true, false, true]);
        let (_stopper, stop) = Stop::pair();
        let (sent, ended) = pump(events.iter().cloned(), Pace::default(), &mut sink, &stop);
        assert!(matches!(ended, Ended::Complete), "{ended:?}");
        assert_eq!(sent, 3);
        for (event, (key, payload)) in events.iter().zip(&sink.taken) {
            let mut encoded = Vec::new();
            event.encode(&mut encoded);
            assert_eq!(&encoded, payload);
            assert_eq!(&event.subscriber_id, key);
        }
    }

    #[test]
    fn a_refusal_ends_it_with_what_was_taken_before() {
        let mut sink = Scripted::new(&[true, true]);
        let (_stopper, stop) = Stop::pair();
        let (sent, ended) = pump(events(5).into_iter(), Pace::default(), &mut sink, &stop);
        assert!(matches!(ended, Ended::Refused(SinkError::ReaderGone)), "{ended:?}");
        assert_eq!(sent, 2);
    }

    #[test]
    fn a_stop_ends_the_wait_for_an_event_s_time_and_for_room() {
        let mut far_ahead = events(1);
        far_ahead[0].timestamp += chrono::TimeDelta::days(36_500);
        let live = Pace { waits_for_event_time: true, per_second: None };
        for (name, events, pace, script) in [
            ("its time", far_ahead, live, vec![true]),
            ("room", events(1), Pace::default(), vec![false; 1_000_000]),
        ] {
            let (stopper, stop) = Stop::pair();
            let mut sink = Scripted::new(&script);
            let ended = std::thread::scope(|scope| {
                let pumping = scope.spawn(|| pump(events.into_iter(), pace, &mut sink, &{ stop }));
                drop(stopper);
                pumping.join().unwrap()
            });
            assert!(matches!(ended, (0, Ended::Stopped)), "{name}: {ended:?}");
        }
    }
}
