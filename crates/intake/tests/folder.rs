//! The simulation of files: contents that grow, are renamed, packed, copied and truncated, under a reader that is killed
//! at any point. At the end each row that was ever written is there once: as an event, or as a dead letter.
//!
//! `INTAKE_SEEDS` says how many seeds, `INTAKE_FIRST_SEED` from which on.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use std::collections::BTreeMap;

use intake::{Counts, Done, FeedError, Mapper, Progress, Sink, Taking, Write, WriteKey, feed};
use pseudonym::SubscriberKey;

const MAPPING: &str = r#"
name = "sim"
[event]
type = "data_session"
id_columns = ["n"]
[time]
formats = ["unix"]
end = "at"
[amount]
column = "n"
[data]
columns = ["sum"]
unit = "MB"
"#;
const DIFFERENCES: &str =
    "[differences]\nsession = [\"session\"]\nends = { column = \"kind\", values = [\"stop\"] }\n";
const HEADER: &str = "n,at,session,kind,sum\n";
const SESSIONS: u64 = 5;

/// A stream of numbers; splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a topic holds: what was committed, and the batch that is open.
#[derive(Default)]
struct Log {
    records: Vec<String>,
    writes: BTreeMap<WriteKey, Option<String>>,
    open: Vec<String>,
    /// The reader is killed when so many more steps were taken.
    steps_left: Option<u64>,
    /// The next kill comes after the commit, before its answer.
    dies_after_commit: bool,
}

/// The reader was killed.
#[derive(Debug)]
struct Killed;

impl Log {
    fn step(&mut self) -> Result<(), Killed> {
        match &mut self.steps_left {
            Some(0) => Err(Killed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Sink for Log {
    type Error = Killed;

    fn send(&mut self, _: &str, payload: &[u8]) -> Result<(), Killed> {
        self.step()?;
        self.open.push(String::from_utf8(payload.to_vec()).unwrap());
        Ok(())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), Killed> {
        if !self.dies_after_commit {
            self.step()?;
        }
        self.records.append(&mut self.open);
        for write in writes {
            self.writes.insert(write.key.clone(), write.value.clone());
        }
        self.step()
    }
}

/// A folder: names and decompressed contents, the oldest first.
#[derive(Default)]
struct Folder {
    /// `cdr.csv` is the last one.
    files: Vec<(String, String)>,
    rows: u64,
    bad: u64,
    sums: [u64; SESSIONS as usize],
}

impl Folder {
    fn current(&mut self) -> &mut String {
        if self.files.last().is_none_or(|(name, _)| name != "cdr.csv") {
            self.files.push(("cdr.csv".to_owned(), HEADER.to_owned()));
        }
        &mut self.files.last_mut().unwrap().1
    }

    fn write(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(6) {
            self.rows += 1;
            let (n, session) = (self.rows, dice.below(SESSIONS));
            let row = if dice.below(10) == 0 {
                self.bad += 1;
                format!("{n},never,{session},update,0\n")
            } else {
                let sum = &mut self.sums[session as usize];
                *sum += 1 + dice.below(5);
                format!("{n},1762698645,{session},update,{sum}\n")
            };
            self.current().push_str(&row);
        }
    }

    /// A step of what happens to files while nobody, or somebody, reads them.
    fn happen(&mut self, dice: &mut Dice) {
        let count = self.files.len();
        match dice.below(8) {
            0..4 => self.write(dice),
            // Renamed; the next rows begin a new file.
            4 => {
                if let Some((name, _)) = self.files.last_mut().filter(|(name, _)| name == "cdr.csv")
                {
                    *name = format!("cdr.csv.{count}");
                }
            }
            // Packed: the content is what it was, under another name.
            5 => {
                let index = dice.below(count.max(1) as u64) as usize;
                if let Some((name, _)) =
                    self.files.get_mut(index).filter(|(name, _)| name != "cdr.csv")
                    && !name.ends_with(".gz")
                {
                    name.push_str(".gz");
                }
            }
            // Copied and truncated.
            6 => {
                if let Some((_, content)) = self.files.pop_if(|(name, _)| name == "cdr.csv") {
                    self.files.push((format!("copy.{}.csv", self.rows), content));
                    self.current();
                }
            }
            // The same content, under a second name.
            _ => {
                let index = dice.below(count.max(1) as u64) as usize;
                if let Some((name, content)) =
                    self.files.get(index).cloned().filter(|(name, _)| name != "cdr.csv")
                {
                    self.files.insert(index, (format!("{name}.again"), content));
                }
            }
        }
    }
}

/// One life of the reader, over all files.
fn live(
    mapper: &Mapper<'_>,
    folder: &Folder,
    log: &mut Log,
    batch_rows: usize,
) -> Result<Counts, Killed> {
    log.open.clear();
    let mut progress = Progress::new(100);
    for (key, value) in &log.writes {
        progress.restore(&Write { key: key.clone(), value: value.clone() }).unwrap();
    }
    let mut counts = Counts::default();
    for (name, content) in &folder.files {
        let taking = Taking { batch_rows, is_finished: name != "cdr.csv", again: false };
        let fed =
            feed(mapper, &mut progress, log, name, || Ok(content.as_bytes()), taking, &mut counts);
        match fed {
            Ok(Done::InDoubt(position, why)) => panic!("{name}: {why}: {position:?}"),
            Ok(_) => {}
            Err(FeedError::Sink(killed)) => return Err(killed),
            Err(FeedError::Read(error)) => panic!("{error}"),
        }
    }
    Ok(counts)
}

/// Runs a seed. Gives how often the reader was killed.
fn run(seed: u64, has_sessions: bool) -> u64 {
    let text = if has_sessions { format!("{MAPPING}{DIFFERENCES}") } else { MAPPING.to_owned() };
    let mapping = support::mapping(&text);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let (mut dice, mut folder, mut log, mut kills) =
        (Dice(seed), Folder::default(), Log::default(), 0);
    let batch_rows = 1 + dice.below(4) as usize;
    for _ in 0..40 {
        folder.happen(&mut dice);
        if dice.below(2) == 0 {
            log.steps_left = Some(dice.below(12));
            log.dies_after_commit = dice.below(2) == 0;
            kills += u64::from(live(&mapper, &folder, &mut log, batch_rows).is_err());
        }
    }
    log.steps_left = None;
    live(&mapper, &folder, &mut log, batch_rows).unwrap();
    check(seed, &folder, &log, has_sessions);
    kills
}

fn check(seed: u64, folder: &Folder, log: &Log, has_sessions: bool) {
    let (mut dead, mut events, mut megabytes) = (0, BTreeMap::new(), 0);
    for record in &log.records {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        if record.get("not_mapped").is_some() {
            dead += 1;
            continue;
        }
        *events.entry(record["amount"].as_u64().unwrap()).or_insert(0) += 1;
        megabytes += record["data_mb"].as_u64().unwrap();
    }
    let twice: Vec<_> = events.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "seed {seed}: rows that are there twice: {twice:?}");
    assert_eq!(dead, folder.bad, "seed {seed}: dead letters");
    assert_eq!(events.len() as u64, folder.rows - folder.bad, "seed {seed}: events");
    if has_sessions {
        assert_eq!(megabytes, folder.sums.iter().sum::<u64>(), "seed {seed}: differences");
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

#[test]
fn each_row_is_there_once_wherever_the_reader_was_killed() {
    let (first, seeds) = (number("INTAKE_FIRST_SEED", 1), number("INTAKE_SEEDS", 400));
    let kills: u64 = (first..first + seeds).map(|seed| run(seed, false) + run(seed, true)).sum();
    // The faults have happened.
    assert!(kills >= seeds, "{kills} kills");
}

/// A last line without an end waits while the file may grow, and counts once it is finished.
#[test]
fn a_line_is_read_when_it_has_ended_or_the_file_has() {
    let mapping = support::mapping(MAPPING);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let mut folder = Folder::default();
    let mut log = Log::default();
    let whole = format!("{HEADER}1,1762698645,0,update,1\n2,1762698645,0,update,12\n");
    for (name, length, expected) in [
        ("cdr.csv", HEADER.len() + 5, 0),
        ("cdr.csv", whole.len() - 2, 1),
        ("cdr.csv", whole.len() - 2, 1),
        ("cdr.csv", whole.len(), 2),
        ("cdr.csv.1", whole.len(), 2),
    ] {
        folder.files = vec![(name.to_owned(), whole[..length].to_owned())];
        live(&mapper, &folder, &mut log, 10).unwrap();
        assert_eq!(log.records.len(), expected, "{name} {length}");
    }
}

/// An operator's word reads what was read before again, and a kill in between begins nothing anew.
#[test]
fn again_reads_all_of_it_once_more_through_kills() {
    let mapping = support::mapping(MAPPING);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let mut folder = Folder::default();
    let mut dice = Dice(7);
    while folder.rows < 30 {
        folder.write(&mut dice);
    }
    folder.files[0].0 = "cdr.csv.1".to_owned();
    let mut log = Log::default();
    live(&mapper, &folder, &mut log, 3).unwrap();
    let (name, content) = &folder.files[0];
    let taking = Taking { batch_rows: 3, is_finished: true, again: true };
    for steps in [Some(7), Some(9), None] {
        let mut progress = Progress::new(100);
        for (key, value) in &log.writes {
            progress.restore(&Write { key: key.clone(), value: value.clone() }).unwrap();
        }
        log.steps_left = steps;
        log.open.clear();
        let fed = feed(
            &mapper,
            &mut progress,
            &mut log,
            name,
            || Ok(content.as_bytes()),
            taking,
            &mut Counts::default(),
        );
        assert_eq!(fed.is_err(), steps.is_some());
    }
    assert_eq!(log.records.len() as u64, 2 * folder.rows);
}
