//! What the tests of `streamer move` share: a topic at home, its copy at the hub and one database that counts the one and then
//! the other; and the judge.
//!
//! The judge knows a record by its number among the records of its partition, which is the same in both logs. In these numbers
//! it holds the tables against a plain recomputation, whichever of the logs each record was counted from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use e2e::oracle::{Expected, recompute};
use e2e::{Database, Ended, LoggedRecord, Pipeline, Running, Span, Topic, differences};
use sandbox::{Kafka, wait_until};
use tempfile::TempDir;

use crate::mirror_maker::MirrorMaker;
use crate::{PARTITIONS, PATIENCE, TOPIC, two_clusters};

/// Both clusters, MirrorMaker between them, and the database.
pub(crate) struct Pair {
    // Programs end before the servers that they speak to.
    mirror: Option<MirrorMaker>,
    pub(crate) home: Pipeline,
    /// The copy; the database is home's.
    pub(crate) hub: Pipeline,
    /// What programs are told; where a server may be replaced by another, more than the pipelines' own.
    pub(crate) database_url: String,
    pub(crate) home_kafka: Kafka,
    _hub_kafka: Kafka,
    folder: TempDir,
    /// More lines of MirrorMaker's properties.
    properties: &'static str,
}

impl Pair {
    /// Nothing runs yet but the servers.
    pub(crate) fn start(database_url: &str, copy: &str, properties: &'static str) -> Result<Pair> {
        let (home_kafka, hub_kafka) = two_clusters()?;
        let database = || Database::at(database_url);
        let home = Topic::create(home_kafka.bootstrap(), TOPIC, PARTITIONS)?;
        Ok(Pair {
            mirror: None,
            home: Pipeline { topic: home, database: database()? },
            hub: Pipeline { topic: Topic::at(hub_kafka.bootstrap(), copy), database: database()? },
            database_url: database_url.to_owned(),
            home_kafka,
            _hub_kafka: hub_kafka,
            folder: tempfile::Builder::new().prefix("e2e-move-").tempdir()?,
            properties,
        })
    }

    pub(crate) fn start_mirror(&mut self) -> Result<()> {
        let (home, hub) = (self.home.topic.bootstrap(), self.hub.topic.bootstrap());
        self.mirror = Some(MirrorMaker::start(home, hub, self.folder.path(), self.properties)?);
        Ok(())
    }

    pub(crate) fn kill_mirror(&mut self) -> Result<()> {
        self.mirror.take().context("it does not run")?.kill()
    }

    /// Stops it for good, unless it has been already.
    pub(crate) fn stop_mirror(&mut self) -> Result<()> {
        self.mirror.take().map_or(Ok(()), MirrorMaker::kill)
    }

    /// Waits until the copy has so many records.
    pub(crate) fn wait_for_copies(&self, count: usize) -> Result<()> {
        let has_come = || self.hub.topic.records().is_ok_and(|records| records.len() >= count);
        wait_until("records reach the hub", PATIENCE, has_come)
            .with_context(|| self.mirror.as_ref().map_or(String::new(), MirrorMaker::tail))
    }

    /// A streamer at home or at the hub that flushes often.
    pub(crate) fn streamer(&self, at: &Pipeline) -> Result<Running> {
        let variables = [("DATABASE_URL", self.database_url.as_str())];
        at.start_with("streamer", &["--flush-interval", "200ms"], &variables)
    }

    /// A streamer that is to end by itself.
    pub(crate) fn refused_streamer(&self, at: &Pipeline) -> Result<String> {
        Ok(self.streamer(at)?.end()?.expect(1)?.log)
    }

    /// `streamer move` to the copy, with these arguments besides.
    pub(crate) fn move_there(&self, more: &[&str]) -> Result<Ended> {
        let copy = self.hub.topic.name();
        let renamed = ["--to-topic", copy];
        self.move_to(if copy == TOPIC { &[] } else { &renamed }, more)
    }

    /// `streamer move` to this topic of the hub.
    pub(crate) fn move_to(&self, named: &[&str], more: &[&str]) -> Result<Ended> {
        let there = ["move", "--topic", TOPIC, "--to", self.hub.topic.bootstrap()];
        let arguments = [&there[..], named, more].concat();
        let variables = [("DATABASE_URL", self.database_url.as_str())];
        self.home.start_with("streamer", &arguments, &variables)?.end()
    }

    /// Moves as soon as it is not refused any more, for none but these reasons; what is said then.
    pub(crate) fn move_once_possible(&self, more: &[&str], reasons: &[&str]) -> Result<String> {
        let mut last = None;
        wait_until("the move is possible", PATIENCE, || {
            let ended = self.move_there(more);
            let is_refused = ended.as_ref().is_ok_and(|ended| {
                ended.code == Some(1) && reasons.iter().any(|reason| ended.log.contains(reason))
            });
            last = Some(ended);
            !is_refused
        })
        .with_context(|| format!("{last:?}"))?;
        Ok(last.context("it was never tried")??.expect(0)?.output)
    }

    /// Positions and losses, every column of them.
    pub(crate) fn positions(&mut self) -> Result<Vec<String>> {
        let rows = self.home.database.rows(
            "SELECT to_jsonb(p)::text FROM stream_progress p UNION ALL SELECT to_jsonb(g)::text FROM gaps g ORDER BY 1",
        )?;
        Ok(rows.iter().map(|row| sqlx::Row::get(row, 0)).collect())
    }
}

/// How many records of each partition of a topic were counted in any way.
pub(crate) fn counted(database: &mut Database, topic: &str) -> Result<BTreeMap<i32, usize>> {
    let rows = database.rows(&format!(
        "SELECT partition, SUM(on_time + late + dead)::bigint FROM stream_progress WHERE topic = '{topic}' GROUP BY partition"
    ))?;
    let count = |row| (sqlx::Row::get(row, 0), sqlx::Row::get::<i64, _>(row, 1) as usize);
    Ok(rows.iter().map(count).collect())
}

/// Records by partition, in their order.
pub(crate) type Records = BTreeMap<i32, Vec<LoggedRecord>>;

/// Records of a topic.
pub(crate) fn by_partition(topic: &Topic) -> Result<Records> {
    let mut partitions = Records::new();
    for record in topic.records()? {
        partitions.entry(record.partition).or_default().push(record);
    }
    Ok(partitions)
}

/// Fails unless each partition of the copy begins with home's records, payloads and times; how many of them.
pub(crate) fn copies_of(home: &Records, hub: &Records) -> Result<BTreeMap<i32, usize>> {
    let is_copy = |(one, other): &(&LoggedRecord, &LoggedRecord)| {
        (one.time_ms, &one.payload) == (other.time_ms, &other.payload)
    };
    let count = |(partition, records): (&i32, &Vec<LoggedRecord>)| {
        let there = hub.get(partition).map_or(&[][..], Vec::as_slice);
        let copies = records.iter().zip(there).take_while(is_copy).count();
        (*partition, copies)
    };
    let copies: BTreeMap<i32, usize> = home.iter().map(count).collect();
    ensure!(
        hub.keys().all(|partition| home.contains_key(partition)),
        "the copy has more partitions"
    );
    Ok(copies)
}

/// One life of a topic in the database, and the number of each record of its log.
pub(crate) struct Life<'a> {
    pub(crate) topic: &'a str,
    pub(crate) generation: i32,
    /// (partition, offset) → number in the partition.
    pub(crate) numbers: BTreeMap<(i32, i64), usize>,
}

impl<'a> Life<'a> {
    /// A life whose log has the records in their numbers' order, from the first one on.
    pub(crate) fn of(topic: &'a str, generation: i32, log: &Records) -> Life<'a> {
        Life::numbered(topic, generation, log, |_, number| number)
    }

    /// The same where the numbers are others: `number_of` gets the partition and the place in this log.
    pub(crate) fn numbered(
        topic: &'a str,
        generation: i32,
        log: &Records,
        number_of: impl Fn(i32, usize) -> usize,
    ) -> Life<'a> {
        let number_of = &number_of;
        let numbers = log.values().flat_map(|records| {
            records.iter().enumerate().map(move |(place, record)| {
                ((record.partition, record.offset), number_of(record.partition, place))
            })
        });
        Life { topic, generation, numbers: numbers.collect() }
    }
}

/// Fails unless the tables hold each of these records once, and `streamer verify` agrees. The records are of home's log, or of
/// what followed at the hub, in the order of their numbers.
pub(crate) fn expect_once(
    pipeline: &mut Pipeline,
    records: &Records,
    lives: &[Life<'_>],
) -> Result<Expected> {
    let numbered: Vec<LoggedRecord> = records
        .values()
        .flat_map(|records| {
            let numbers = (0..).zip(records);
            numbers.map(|(offset, record)| LoggedRecord { offset, ..record.clone() })
        })
        .collect();
    let spans: BTreeMap<i32, Span> = records
        .iter()
        .map(|(partition, records)| (*partition, Span { first: 0, next: records.len() as i64 }))
        .collect();
    let expected = recompute(&numbered, &spans);
    let url = show_numbered(&mut pipeline.database, &expected.dead, lives)?;
    let found = differences(&mut Database::at(&url)?, &expected)?;
    ensure!(found.is_empty(), "not every record is counted once:\n{found}");
    pipeline.verify()?;
    Ok(expected)
}

/// Makes views in which all lives of all topics are one, by the records' numbers; how a session sees them.
fn show_numbered(
    database: &mut Database,
    dead: &BTreeSet<(i32, i64)>,
    lives: &[Life<'_>],
) -> Result<String> {
    database.execute(
        r#"CREATE SCHEMA once;
           CREATE TABLE once.letters (topic TEXT, generation INT, partition INT, "offset" BIGINT, number BIGINT);
           -- A letter that should not be one gets a number that no record has.
           CREATE VIEW once.dead_letters AS
               SELECT partition, COALESCE(l.number, -1 - "offset") AS "offset"
               FROM public.dead_letters LEFT JOIN once.letters l USING (topic, generation, partition, "offset");
           CREATE VIEW once.day_ledger AS
               SELECT quarter_start, partition, SUM(on_time)::bigint AS on_time, SUM(late)::bigint AS late
               FROM public.day_ledger GROUP BY quarter_start, partition;
           CREATE VIEW once.stream_progress AS
               SELECT partition, 0::bigint AS first_offset, SUM(on_time + late + dead)::bigint AS next_offset,
                      SUM(on_time)::bigint AS on_time, SUM(late)::bigint AS late, SUM(dead)::bigint AS dead,
                      0::bigint AS skipped, MAX(max_event_time) AS max_event_time
               FROM public.stream_progress GROUP BY partition"#,
    )?;
    for Life { topic, generation, numbers } in lives {
        let rows: Vec<String> = numbers
            .iter()
            .filter(|((partition, _), number)| dead.contains(&(*partition, **number as i64)))
            .map(|((partition, offset), number)| {
                format!("('{topic}', {generation}, {partition}, {offset}, {number})")
            })
            .collect();
        if !rows.is_empty() {
            database.execute(&format!("INSERT INTO once.letters VALUES {}", rows.join(", ")))?;
        }
    }
    let url = database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}options=-csearch_path%3Donce%2Cpublic"))
}

/// Asks the database until as many records of the topic are counted.
pub(crate) fn wait_until_counted(
    database: &mut Database,
    topic: &str,
    count: usize,
    streamer: &Running,
) -> Result<()> {
    wait_until(&format!("{count} records of {topic} are counted"), PATIENCE, || {
        counted(database, topic).is_ok_and(|counted| counted.values().sum::<usize>() >= count)
    })
    .with_context(|| streamer.log())
}
