//! Subscriber-days straight from the generator, without Kafka and lake between.
//!
//! In: a seed and a number of subscribers of the scenario `lifelike`. Out: who did what on each local day, and when the truth says that
//! they leave. Drawing takes minutes, so a world can be kept in files and is read from them again.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Asia::Almaty;
use churn::day::Deeds;
use event_model::{Event, EventTime, EventType};
use generator::curve::RateCurve;
use generator::scenario::Scenario;
use generator::schedule::Schedule;
use generator::truth::Truth;
use generator::{Draft, Generator, Shard};
use pseudonym::SubscriberKey;
use serde_json::Value;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Numbers of a kept row: subscriber, day, and the seven measures.
const KEPT_NUMBERS: usize = 9;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Ordinary subscribers; those with a role come in addition.
    pub(crate) subscribers: u32,
    /// Local days.
    pub(crate) days: u32,
}

/// A world that was drawn. Subscribers are numbers, in the order in which they are met.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Rows by day: subscriber, day, what they did.
    pub(crate) rows: Vec<(u32, u32, Deeds)>,
    /// Hidden phases: subscriber, first day of the phase, first silent day. Days are counted from the world's first one.
    pub(crate) leaves: Vec<(u32, i64, i64)>,
}

/// The first of a world's days.
pub(crate) fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 3, 3).expect("it is in the calendar")
}

/// A subscriber's name.
pub(crate) fn name(subscriber: u32) -> String {
    format!("{subscriber:016x}")
}

impl World {
    /// Draws a world.
    ///
    /// # Errors
    /// Lines of the truth that can't be read.
    pub(crate) fn draw(seed: u64, size: Size) -> Result<World> {
        let draft = draft(seed, size);
        let (mut world, mut met) = (World::default(), HashMap::new());
        let mut today: HashMap<u32, Tally> = HashMap::new();
        let mut day = 0;
        for event in Generator::new(&draft) {
            let micros = event.timestamp.timestamp_micros() - draft.from.micros();
            let of = u32::try_from(micros.div_euclid(MICROS_PER_DAY))?;
            if of != day {
                world.close(day, &mut today);
                day = of;
            }
            let subscriber = match met.get(&event.subscriber_id) {
                Some(subscriber) => *subscriber,
                None => {
                    let next = met.len() as u32;
                    met.insert(event.subscriber_id.clone(), next);
                    next
                }
            };
            today.entry(subscriber).or_default().add(&event);
        }
        world.close(day, &mut today);
        world.leaves = leaves(&draft, &met)?;
        Ok(world)
    }

    fn close(&mut self, day: u32, today: &mut HashMap<u32, Tally>) {
        let from = self.rows.len();
        self.rows.extend(today.drain().map(|(who, tally)| (who, day, tally.deeds())));
        self.rows[from..].sort_by_key(|(who, ..)| *who);
    }

    /// The world of a seed, read from a folder if it was kept there, and else drawn and kept.
    ///
    /// # Errors
    /// Files that can't be read or written.
    pub(crate) fn of(seed: u64, size: Size, folder: Option<&Path>) -> Result<World> {
        let Some(folder) = folder else { return World::draw(seed, size) };
        let name = format!("{seed}-{}-{}", size.subscribers, size.days);
        let (days, leaves) = (
            folder.join(&name).with_extension("days"),
            folder.join(&name).with_extension("leaves"),
        );
        if days.exists() && leaves.exists() {
            return World::read(&days, &leaves).with_context(|| days.display().to_string());
        }
        let world = World::draw(seed, size)?;
        std::fs::create_dir_all(folder)?;
        world.keep(&days, &leaves).with_context(|| days.display().to_string())?;
        Ok(world)
    }

    fn keep(&self, days: &Path, leaves: &Path) -> Result<()> {
        let mut out = BufWriter::new(File::create(days)?);
        for (who, day, deeds) in &self.rows {
            for number in [*who as f32, *day as f32].into_iter().chain(deeds.figures()) {
                out.write_all(&number.to_le_bytes())?;
            }
        }
        out.flush()?;
        let mut out = BufWriter::new(File::create(leaves)?);
        for (who, from, to) in &self.leaves {
            writeln!(out, "{who} {from} {to}")?;
        }
        Ok(out.flush()?)
    }

    fn read(days: &Path, leaves: &Path) -> Result<World> {
        let mut world = World::default();
        let mut input = BufReader::new(File::open(days)?);
        let mut bytes = [0; KEPT_NUMBERS * 4];
        while input.read_exact(&mut bytes).is_ok() {
            let at =
                |index: usize| f32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[index * 4 + byte]));
            let whole = |index: usize| at(index) as u32;
            let deeds = Deeds {
                sessions: whole(2),
                data_mb: at(3),
                calls: whole(4),
                messages: whole(5),
                recharges: whole(6),
                contacts: whole(7),
                towers: whole(8),
            };
            world.rows.push((whole(0), whole(1), deeds));
        }
        for line in std::fs::read_to_string(leaves)?.lines() {
            let numbers: Vec<i64> =
                line.split(' ').map(str::parse).collect::<Result<_, _>>().context("leaves")?;
            let [who, from, to] = numbers[..] else { anyhow::bail!("leaves: {line:?}") };
            world.leaves.push((u32::try_from(who)?, from, to));
        }
        Ok(world)
    }
}

/// The draft of the scenario, shrunk to so many subscribers with as many events each.
fn draft(seed: u64, size: Size) -> Draft {
    let mut scenario = Scenario::built_in("lifelike");
    scenario.base_rate *= f64::from(size.subscribers) / f64::from(scenario.subscribers);
    scenario.subscribers = size.subscribers;
    let midnight = |day: NaiveDate| {
        let local = Almaty.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest();
        EventTime::from(local.expect("Almaty's clocks have every midnight of 2025").to_utc())
    };
    Draft {
        seed,
        from: midnight(first()),
        to: midnight(first() + Days::new(u64::from(size.days))),
        curve: RateCurve::Calendar { base_per_second: scenario.base_rate },
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
        scenario: Arc::new(scenario),
    }
}

/// What a subscriber has done so far today.
#[derive(Default)]
struct Tally {
    deeds: Deeds,
    hundredths_mb: u64,
    contacts: HashSet<String>,
    towers: HashSet<u32>,
}

impl Tally {
    fn add(&mut self, event: &Event) {
        match event.event_type {
            EventType::Call => self.deeds.calls += 1,
            EventType::Sms => self.deeds.messages += 1,
            EventType::BalanceRecharge => self.deeds.recharges += 1,
            EventType::DataSession => {
                self.deeds.sessions += 1;
                self.hundredths_mb += u64::from(event.data_hundredths_mb.unwrap_or(0));
            }
        }
        self.contacts.extend(event.counterparty_id.clone());
        self.towers.extend(event.cell_tower_id);
    }

    fn deeds(self) -> Deeds {
        Deeds {
            data_mb: self.hundredths_mb as f32 / 100.0,
            contacts: self.contacts.len() as u32,
            towers: self.towers.len() as u32,
            ..self.deeds
        }
    }
}

/// What the truth tells of those who leave.
fn leaves(draft: &Draft, met: &HashMap<String, u32>) -> Result<Vec<(u32, i64, i64)>> {
    let mut out = Vec::new();
    let truth = Truth::begin(&mut out, draft, 1, chrono_tz::UTC)?;
    truth.finish(&Schedule::new(draft, 1))?;
    let mut leaves = Vec::new();
    for line in String::from_utf8(out)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["kind"] != "life" || line["leaves"].is_null() {
            continue;
        }
        let text = |field: &str| line[field].as_str().with_context(|| format!("{field}: {line}"));
        let day =
            |field: &str| anyhow::Ok((text(field)?.parse::<NaiveDate>()? - first()).num_days());
        if let Some(who) = met.get(text("subscriber_id")?) {
            leaves.push((*who, day("phase_from")?, day("leaves")?));
        }
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_was_kept_is_read_as_it_was() {
        let size = Size { subscribers: 60, days: 4 };
        let folder = std::env::temp_dir().join(format!("churn-score-{}", std::process::id()));
        let drawn = World::of(7, size, Some(&folder)).unwrap();
        let read = World::of(7, size, Some(&folder)).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(drawn.rows.len() > 60, "{}", drawn.rows.len());
        assert_eq!((drawn.rows, drawn.leaves), (read.rows, read.leaves));
    }
}
