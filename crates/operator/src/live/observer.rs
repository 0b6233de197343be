//! Looks at the pipeline again and again: the status that `streamer status` would give, the live
//! figures, and how fast records come and are stored.
//!
//! In: what PostgreSQL and Kafka say, each asked for a bounded time (I-6). Out: a [`Snapshot`] that
//! replaces the former one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context;
use program::{ThreadExecutor, chain, seconds_since_1970 as now};
use store::{PgConnection, Session, StoreError, connect};

use super::figures::{LiveFigures, live_figures};
use super::minutely::Minutely;
use super::night::{self, SharedNight};
use super::snapshot::{Detection, Rates, Snapshot};
use super::{Latest, LiveArgs, pipeline};
use crate::detect::OPEN_SHOWN_MAX;
use crate::detect::passes::{detector_progress, open_anomalies};
use crate::status::{Observer, Report, pipeline_report, usual_stalled_after};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// PostgreSQL and Kafka each get this long to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Rates are over at least the looks of this long: two flush intervals, as flushes come in steps.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Looks for as long as somebody holds `latest`, on a thread of its own: nobody waits for its end, not
/// even a process that stops while a server does not answer.
pub(super) fn spawn(args: LiveArgs, latest: Weak<Latest>) -> anyhow::Result<()> {
    let night = SharedNight::default();
    night::spawn(args.database.database_url.expose().to_owned(), Arc::downgrade(&night))?;
    let executor = ThreadExecutor::new()?;
    std::thread::Builder::new()
        .name("observer".to_owned())
        .spawn(move || executor.block_on(observe(args, latest, night)))
        .context("starting the observer's thread")?;
    Ok(())
}

async fn observe(args: LiveArgs, latest: Weak<Latest>, shared_night: SharedNight) {
    let observer = Observer::new(&args.kafka, &args.database, ANSWER_DEADLINE);
    let stalled_after = usual_stalled_after(args.flush_interval);
    let mut reader = FiguresReader { args: &args, connection: None, detection: None };
    let mut minutely = Minutely::default();
    let mut track = Track::default();
    loop {
        let report = pipeline_report(observer.observe().await, stalled_after);
        let figures = reader.read().await;
        minutely.read_when_due(&mut reader.connection, ANSWER_DEADLINE).await;
        let detection = reader.detection.take();
        let night = shared_night.lock().map(|night| night.clone()).unwrap_or_default();
        let rates = track.rates(places(&report), Instant::now());
        let registry = pipeline::registry(
            &report,
            figures.as_ref().ok(),
            &night,
            detection.as_ref(),
            minutely.pattern_gaps.as_deref(),
            &args.owners,
        );
        let (day, cases) = (minutely.day.clone(), minutely.cases.clone());
        let looked_at = now();
        let snapshot =
            Snapshot { looked_at, report, figures, rates, detection, day, cases, registry };
        let Some(latest) = latest.upgrade() else { return };
        if let Ok(mut latest) = latest.write() {
            *latest = Some(Arc::new(snapshot));
        }
        drop(latest);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Keeps a session for the figures; any error ends it.
struct FiguresReader<'a> {
    args: &'a LiveArgs,
    connection: Option<PgConnection>,
    /// What this look found unusual.
    detection: Option<Detection>,
}

impl FiguresReader<'_> {
    async fn read(&mut self) -> Result<LiveFigures, String> {
        let reading = async {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => {
                    let url = self.args.database.database_url.expose();
                    connect(url, Session::Control).await?
                }
            };
            // Only a session on which all went well is used again.
            let connection = self.connection.insert(connection);
            let figures = live_figures(connection).await;
            if figures.is_err() {
                self.connection = None;
                return figures;
            }
            // The right to see what is unusual may be missing: that is no reason to show nothing at all.
            self.detection = read_detection(connection).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "no look at the anomalies");
                None
            });
            figures
        };
        let read = tokio::time::timeout(ANSWER_DEADLINE, reading).await;
        read.unwrap_or_else(|_| {
            self.connection = None;
            Err(StoreError::NoAnswer(ANSWER_DEADLINE))
        })
        .map_err(|error| chain(&error.into()))
    }
}

async fn read_detection(connection: &mut PgConnection) -> Result<Option<Detection>, StoreError> {
    let Some(progress) = detector_progress(connection).await? else {
        return Ok(None);
    };
    let open = open_anomalies(connection, OPEN_SHOWN_MAX).await?;
    Ok(Some(Detection { progress, open }))
}

/// Where the partitions stand whose end and position are known.
fn places(report: &Report) -> Places {
    report
        .partitions
        .iter()
        .filter_map(|partition| {
            let (stored, lag) = (partition.stored.as_ref()?, partition.lag_records?);
            let (topic, id) = partition.key.clone();
            let key = (topic, id, stored.generation);
            Some((key, (stored.next_offset + lag, stored.next_offset)))
        })
        .collect()
}

/// Ends and positions by partition, at the looks of the last minute.
#[derive(Default)]
struct Track {
    looks: VecDeque<(Instant, Places)>,
}

/// End of the log and stored position of each partition and generation.
type Places = BTreeMap<(String, i32, i32), (i64, i64)>;

impl Track {
    /// Rates up to these places; `None` while there is nothing to compare them with.
    fn rates(&mut self, places: Places, at: Instant) -> Option<Rates> {
        // Another set of partitions, or a log that went back, can't be compared.
        let is_continued = |former: &Places| {
            former.keys().eq(places.keys())
                && former.iter().all(|(key, (end, next))| {
                    places
                        .get(key)
                        .is_some_and(|(new_end, new_next)| new_end >= end && new_next >= next)
                })
        };
        if places.is_empty() || self.looks.back().is_some_and(|(_, former)| !is_continued(former)) {
            self.looks.clear();
        }
        // The oldest look kept is the youngest one that is at least a window old.
        while self.looks.get(1).is_some_and(|(then, _)| at.duration_since(*then) >= RATE_WINDOW) {
            self.looks.pop_front();
        }
        let rates = self.looks.front().map(|(then, former)| {
            let seconds = at.duration_since(*then).as_secs_f64();
            let grown = |pick: fn(&(i64, i64)) -> i64| {
                let sum = |places: &Places| places.values().map(pick).sum::<i64>();
                (sum(&places) - sum(former)) as f64 / seconds
            };
            Rates {
                over_seconds: seconds,
                arriving_per_second: grown(|(end, _)| *end),
                stored_per_second: grown(|(_, next)| *next),
            }
        });
        self.looks.push_back((at, places));
        rates.filter(|rates| rates.over_seconds > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ends_and_positions: &[(i64, i64)]) -> Places {
        let named = (0..).zip(ends_and_positions);
        named.map(|(id, place)| (("t".to_owned(), id, 0), *place)).collect()
    }

    /// Looks at these seconds; what the last one says per second: (arriving, stored, over seconds).
    fn check(looks: &[(u64, &[(i64, i64)])], expected: Option<(f64, f64, f64)>) {
        let (mut track, start) = (Track::default(), Instant::now());
        let mut last = None;
        for (second, found) in looks {
            last = track.rates(places(found), start + Duration::from_secs(*second));
        }
        let got = last.map(|r| (r.arriving_per_second, r.stored_per_second, r.over_seconds));
        assert_eq!(got, expected, "{looks:?}");
    }

    #[test]
    fn rates_are_over_the_last_minute_and_all_partitions() {
        check(&[(0, &[(10, 5)])], None);
        check(&[(0, &[(10, 5)]), (5, &[(20, 20)])], Some((2.0, 3.0, 5.0)));
        check(&[(0, &[(0, 0), (0, 0)]), (10, &[(10, 0), (30, 20)])], Some((4.0, 2.0, 10.0)));
        // What is more than a minute old is forgotten, but for the youngest such look.
        let long =
            [(0, &[(0, 0)][..]), (5, &[(500, 500)]), (30, &[(600, 600)]), (65, &[(620, 620)])];
        check(&long, Some((2.0, 2.0, 60.0)));
    }

    #[test]
    fn what_can_not_be_compared_is_not() {
        // Another set of partitions, a log or a position that went back, a look that failed.
        for second in [&[(9, 9), (9, 9)][..], &[(3, 3)], &[(9, 4)], &[]] {
            check(&[(0, &[(5, 5)]), (5, second)], None);
            check(
                &[(0, &[(5, 5)]), (5, second), (10, &[(9, 9)])],
                match second {
                    [(9, 4)] => Some((0.0, 1.0, 5.0)),
                    [(3, 3)] => Some((1.2, 1.2, 5.0)),
                    _ => None,
                },
            );
        }
    }
}
