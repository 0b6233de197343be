//! Following the warehouse, round by round: look at both, read, judge, and commit all or nothing.
//!
//! ```text
//!   snapshot of the table ─► snapshot of the warehouse ─► read ─► judge ─┬─► one commit against that snapshot
//!                                                                      └─► drop all, leave out what is wrong
//! ```
//!
//! After any error the next round begins with new snapshots, and nobody has to know whether a commit whose answer
//! was lost is there: going on from the table's own versions is right in both cases. Keeps I-11.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use deltalake_core::kernel::Action;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use fail_point::{fail_point, fail_point_once_waiting};
use follower::{Follower, Key, Plan, Reached, Reading, Row, Trouble};
use program::shutdown_requested;
use store::PgConnection;
use windowing::Position;

use crate::config::{BothArgs, RunArgs};
use crate::files::Files;
use crate::patience::Patience;
use crate::rows;
use crate::source::{Sink, Source};
use crate::standby::Standby;
use crate::store::{Name, address};
use crate::table::{APPEND, Committed, Table};
use crate::warehouse::{Snapshot, applications, connect, look};

/// A partition waits for an operator.
pub(crate) const HALTED: u8 = 3;
/// How often in a row a drain's round may come to nothing without an error.
const DROPPED_MAX: usize = 20;

/// Runs, or drains.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&is_stopped);
    let signal = tokio::spawn(async move {
        shutdown_requested().await;
        stopping.store(true, Ordering::Relaxed);
    });
    let standby = if args.beside_others { None } else { Some(Standby::new(&args.both)) };
    let mut archiver = Archiver::start(&args, Arc::clone(&is_stopped)).await?;
    let exit = if args.drain {
        archiver.drain(standby).await
    } else {
        archiver.follow(standby, args.commit_interval).await
    };
    signal.abort();
    exit
}

/// What became of a round.
enum Round {
    /// The lake holds all that the warehouse has counted, but for what waits.
    Level(Plan),
    /// A commit is there.
    Committed,
    /// Nothing was committed: something is left out now, or somebody else was first.
    Dropped,
    /// We are to stop.
    Stopped,
}

/// What became of a step of a drain.
enum Drained {
    /// It is over.
    Done(ExitCode),
    /// The lake has come further, and not far enough.
    Further,
    /// Somebody else follows.
    Waiting,
    /// The round came to nothing.
    Dropped,
}

/// What became of reading.
enum Outcome {
    /// All of it is what the warehouse has counted: so far the lake comes with it, by so many events.
    Whole { reached: Vec<(Key, Reached)>, events: i64 },
    /// Nothing of it may be committed.
    Left(Round),
}

/// One process that follows.
pub(crate) struct Archiver {
    both: BothArgs,
    file_size: usize,
    table: Table,
    source: Source,
    follower: Follower,
    is_stopped: Arc<AtomicBool>,
    connection: Option<PgConnection>,
    /// What was said of waiting partitions, so that it is said once.
    said: BTreeMap<Key, Trouble>,
}

impl Archiver {
    async fn start(args: &RunArgs, is_stopped: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let both = args.both.clone();
        let url = address(&both.lake.lake_url, Name::Events)?;
        let kafka = both.kafka.client_config()?;
        let source = Source::new(kafka, both.kafka.kafka_topic.clone())?;
        let connection = connect(&both).await?;
        let table = Table::open_or_create(&url, rows::layout()).await?;
        tracing::info!(%url, version = table.version(), "following the warehouse");
        Ok(Archiver {
            both,
            file_size: args.file_size,
            table,
            source,
            follower: Follower::default(),
            is_stopped,
            connection: Some(connection),
            said: BTreeMap::new(),
        })
    }

    /// Follows until stopped.
    async fn follow(
        &mut self,
        mut standby: Option<Standby>,
        interval: Duration,
    ) -> anyhow::Result<ExitCode> {
        let mut patience = Patience::endless();
        while !self.is_stopped() {
            let begun = Instant::now();
            match self.one_step(&mut standby).await {
                Ok(Some(Round::Level(_) | Round::Committed)) => {
                    patience.renew();
                    self.follower.try_again();
                    self.rest(interval.saturating_sub(begun.elapsed())).await;
                }
                Ok(Some(Round::Dropped | Round::Stopped) | None) => {}
                Err(error) => self.wait_after(patience.bear(error)?).await,
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Brings the lake to where the warehouse stood when this began. What fails is tried again for as long as is waited for
    /// servers at start.
    async fn drain(&mut self, mut standby: Option<Standby>) -> anyhow::Result<ExitCode> {
        let mut target: Option<Vec<Row>> = None;
        let mut patience = Patience::of(self.both.wait);
        let mut dropped = 0;
        while !self.is_stopped() {
            match self.drain_step(&mut standby, &mut target).await {
                Ok(Drained::Done(code)) => return Ok(code),
                Ok(Drained::Further) => {
                    patience.renew();
                    dropped = 0;
                }
                Ok(Drained::Waiting) => {}
                Ok(Drained::Dropped) => {
                    dropped += 1;
                    anyhow::ensure!(
                        dropped < DROPPED_MAX,
                        "the lake can't be brought to the warehouse's positions: other commits came first {dropped} times"
                    );
                }
                Err(error) => {
                    self.wait_after(patience.bear(error)?).await;
                    self.follower.try_again();
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn drain_step(
        &mut self,
        standby: &mut Option<Standby>,
        target: &mut Option<Vec<Row>>,
    ) -> anyhow::Result<Drained> {
        let round = match self.one_step(standby).await? {
            None => return Ok(Drained::Waiting),
            Some(Round::Dropped) => return Ok(Drained::Dropped),
            Some(round) => round,
        };
        if let Round::Level(plan) = &round {
            if plan.halts().next().is_some() {
                return Ok(Drained::Done(ExitCode::from(HALTED)));
            }
            if let Some((key, trouble)) = plan.waiting.first() {
                bail!("{key} was not archived: {trouble}");
            }
            return Ok(Drained::Done(ExitCode::SUCCESS));
        }
        let rows = match target.take() {
            Some(rows) => rows,
            None => {
                let connection = self.connection.as_mut().context("not connected")?;
                crate::warehouse::rows_of(connection, self.source.topic()).await?
            }
        };
        self.table.refresh().await?;
        let versions = self.table.versions(applications(self.source.topic(), &rows)).await?;
        let is_there = is_reached(&rows, versions, self.source.topic());
        *target = Some(rows);
        Ok(if is_there { Drained::Done(ExitCode::SUCCESS) } else { Drained::Further })
    }

    /// After a failure: with a new connection, the next time.
    async fn wait_after(&mut self, pause: Duration) {
        self.connection = None;
        self.rest(pause).await;
    }

    /// One round, if it is ours to follow.
    async fn one_step(&mut self, standby: &mut Option<Standby>) -> anyhow::Result<Option<Round>> {
        if let Some(standby) = standby
            && !standby.is_ours().await?
        {
            self.rest(Standby::PAUSE).await;
            return Ok(None);
        }
        self.round().await.map(Some)
    }

    async fn round(&mut self) -> anyhow::Result<Round> {
        self.table.refresh().await?;
        let snapshot = self.look().await?;
        self.tell(&snapshot.plan);
        if snapshot.plan.is_done() {
            return Ok(Round::Level(snapshot.plan));
        }
        let base = self.table.version();
        let mut files = Files::new(self.table.store(), self.table.url(), base, self.file_size);
        let begun = Instant::now();
        match self.read(snapshot, &mut files).await {
            Ok(Outcome::Whole { reached, events }) => {
                // From here on nothing is deleted: whatever becomes of the answer, the commit may be there.
                self.archive(files, reached, events, begun).await
            }
            Ok(Outcome::Left(round)) => {
                files.drop_all().await;
                Ok(round)
            }
            Err(error) => {
                files.drop_all().await;
                Err(error)
            }
        }
    }

    /// Looks at the warehouse in one snapshot, which is over before anything is read.
    async fn look(&mut self) -> anyhow::Result<Snapshot> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.both).await?,
        };
        let topic = self.source.topic().to_owned();
        // Asked for before: the snapshot must not wait for the table.
        let known = crate::warehouse::rows_of(&mut connection, &topic).await?;
        let versions = self.table.versions(applications(&topic, &known)).await?.clone();
        let follower = &self.follower;
        let snapshot = look(&mut connection, &topic, |rows| {
            // A generation that began just now is planned next time: its versions were not asked for.
            let asked: Vec<Row> = rows
                .iter()
                .filter(|row| known.iter().any(|known| known.key == row.key))
                .copied()
                .collect();
            follower.plan(&topic, &asked, &versions)
        })
        .await?;
        self.connection = Some(connection);
        Ok(snapshot)
    }

    /// Reads what is planned into files, and judges it.
    async fn read(&mut self, snapshot: Snapshot, files: &mut Files) -> anyhow::Result<Outcome> {
        let mut readings = begin(&self.source, &snapshot)?;
        if !readings.is_empty() {
            self.source.read(&mut readings, Sink::Files(files), &self.is_stopped).await?;
        }
        if self.is_stopped() {
            return Ok(Outcome::Left(Round::Stopped));
        }
        let mut reached = snapshot.plan.moves;
        let mut is_whole = true;
        for reading in readings.values() {
            match reading.judge() {
                Ok(to) => reached.push((reading.task().key, to)),
                Err(trouble) => {
                    self.follower.set_aside(reading.task(), trouble);
                    is_whole = false;
                }
            }
        }
        if !is_whole {
            return Ok(Outcome::Left(Round::Dropped));
        }
        let events = readings.values().map(|reading| reading.found().events).sum();
        Ok(Outcome::Whole { reached, events })
    }

    /// Ends the files and commits them with the positions.
    async fn archive(
        &mut self,
        mut files: Files,
        reached: Vec<(Key, Reached)>,
        events: i64,
        begun: Instant,
    ) -> anyhow::Result<Round> {
        let read = begun.elapsed();
        let adds = files.finish().await?;
        Ok(match self.commit(adds, reached).await? {
            Committed::As(version) => {
                let committed = begun.elapsed() - read;
                tracing::info!(
                    version,
                    events,
                    bytes = files.bytes(),
                    read_in = %format_args!("{read:.3?}"),
                    committed_in = %format_args!("{committed:.3?}"),
                    "committed"
                );
                Round::Committed
            }
            Committed::Refused => Round::Dropped,
        })
    }

    async fn commit(
        &mut self,
        adds: Vec<Action>,
        reached: Vec<(Key, Reached)>,
    ) -> anyhow::Result<Committed> {
        let topic = self.source.topic();
        let positions = reached.iter().flat_map(|(key, reached)| reached.write(topic, *key));
        let versions = positions.chain([(APPEND.to_owned(), 1)]).collect();
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec!["event_date".to_owned()]),
            predicate: None,
        };
        fail_point("before-lake-commit");
        let committing = self.table.commit(adds, versions, operation);
        let committed = fail_point_once_waiting("in-lake-commit", committing).await;
        fail_point("after-lake-commit");
        committed
    }

    /// Says what waits, once, and what has gone on.
    fn tell(&mut self, plan: &Plan) {
        let mut waiting = BTreeMap::new();
        for (key, trouble) in &plan.waiting {
            if self.said.get(key) != Some(trouble) {
                let Key { partition, generation } = key;
                match trouble {
                    Trouble::Halt(reason) => {
                        tracing::error!(partition, generation, %reason, "halted");
                    }
                    Trouble::Passing(reason) => {
                        tracing::warn!(partition, generation, %reason, "left out of this round");
                    }
                }
            }
            waiting.insert(*key, *trouble);
        }
        for (key, lake, warehouse) in &plan.ahead {
            tracing::warn!(
                partition = key.partition,
                generation = key.generation,
                lake = %lake,
                warehouse = %warehouse,
                "the lake is ahead of the warehouse, so its database was restored. Nothing is archived until it has \
                 come there again"
            );
        }
        self.said = waiting;
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Waits, unless we are to stop.
    async fn rest(&self, time: Duration) {
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        let until = Instant::now() + time;
        while !self.is_stopped() && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())))
                .await;
        }
    }
}

/// Begins to read what is planned, by where the logs begin now.
pub(crate) fn begin(
    source: &Source,
    snapshot: &Snapshot,
) -> anyhow::Result<BTreeMap<i32, Reading>> {
    let partitions: Vec<i32> = snapshot.plan.tasks.iter().map(|task| task.key.partition).collect();
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ends = source.ends(&partitions)?;
    let mut readings = BTreeMap::new();
    for task in &snapshot.plan.tasks {
        let partition = task.key.partition;
        let low = ends.get(&partition).map_or(Position::at(0), |ends| ends.low);
        let letters = snapshot.letters.get(&task.key).cloned().unwrap_or_default();
        let skew = snapshot.max_future_skew_micros;
        readings.insert(partition, Reading::begin(task.clone(), letters, low, skew));
    }
    Ok(readings)
}

/// Whether the lake has come to where these rows were.
fn is_reached(rows: &[Row], versions: &follower::Versions, topic: &str) -> bool {
    rows.iter().all(|row| {
        let reached = Reached::read(versions, topic, row.key);
        let position = reached.map_or(row.first, |reached| reached.position);
        position >= row.next
    })
}
