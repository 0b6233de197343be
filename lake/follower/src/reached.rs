//! What the lake knows of a partition's generation, and how it stands in the table's log.
//!
//! A Delta table keeps one number, the *version*, for each name of an application, and a commit that was made
//! without knowledge of another commit for the same name is refused. So the position is a version, and whoever
//! moves it from an old snapshot is fenced.
//!
//! | application | version |
//! |---|---|
//! | `TOPIC/GENERATION/PARTITION` | the position: the next offset to archive; −1: nothing is known of it any more |
//! | `…/events`, `…/dead` | how many of the offsets before it were events, and dead letters; −1: not known |
//! | `…/mark` | what the last record before it looks like; −1: there is none |
//! | `…/origin` | what the generation's first record looks like; −1: none was met |

use std::collections::BTreeMap;
use std::fmt;

use windowing::{Fingerprint, Position};

/// The versions of a table, by application.
pub type Versions = BTreeMap<String, i64>;

/// One life of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition; first, so that a partition's generations follow one another in order.
    pub partition: i32,
    /// Which life of it.
    pub generation: i32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}, generation {}", self.partition, self.generation)
    }
}

/// What became of the records before a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Counted by the warehouse, on time or late.
    pub events: i64,
    /// Number of dead letters.
    pub dead: i64,
}

/// The last record before a position, to recognise the log by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Kafka's offset of the record.
    pub offset: i64,
    /// CRC-32 of its fingerprint: checksum, time and offset.
    pub print: u32,
}

impl Mark {
    /// The mark of a record.
    pub fn of(fingerprint: Fingerprint) -> Self {
        Mark { offset: fingerprint.offset, print: Mark::print(fingerprint) }
    }

    /// What a record looks like, in 32 bits.
    pub fn print(fingerprint: Fingerprint) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&fingerprint.crc.to_le_bytes());
        // A record without a time has another mark than one of 1970.
        crc.update(&fingerprint.timestamp_ms.unwrap_or(i64::MIN).to_le_bytes());
        crc.update(&fingerprint.offset.to_le_bytes());
        crc.finalize()
    }
}

/// How far the lake has come in a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The next offset to archive.
    pub position: Position,
    /// What became of the records before it; `None` behind an accepted gap, where nobody can say.
    pub counted: Option<Counted>,
    /// The last record before it; `None`: none was archived yet, or it lies behind a gap.
    pub mark: Option<Mark>,
    /// The print of the generation's first record.
    pub origin: Option<u32>,
}

impl Reached {
    /// Where a generation begins.
    pub fn beginning(first: Position) -> Self {
        Reached { position: first, counted: Some(Counted::default()), mark: None, origin: None }
    }

    /// What the table's versions say; `None`: nothing of this generation was archived yet.
    pub fn read(versions: &Versions, topic: &str, key: Key) -> Option<Self> {
        let of = |part| versions.get(&application(topic, key, part)).copied();
        let position = of("").filter(|position| *position >= 0)?;
        let count = |part| of(part).filter(|count| *count >= 0);
        let counted = count("/events").zip(count("/dead"));
        let mark = of("/mark").filter(|packed| *packed >= 0).map(|packed| Mark {
            offset: position - 1 - (packed >> 32),
            // The lower half is the print.
            print: (packed & i64::from(u32::MAX)) as u32,
        });
        Some(Reached {
            position: Position::at(position),
            counted: counted.map(|(events, dead)| Counted { events, dead }),
            mark,
            origin: of("/origin").and_then(|print| u32::try_from(print).ok()),
        })
    }

    /// The versions that say so.
    pub fn write(&self, topic: &str, key: Key) -> [(String, i64); 5] {
        let position = self.position.offset();
        let counted = self.counted.unwrap_or(Counted { events: -1, dead: -1 });
        let packed = self.mark.and_then(|mark| {
            // So many marks of transactions in a row that it can't be told: then it is forgotten.
            let distance =
                i32::try_from(position - 1 - mark.offset).ok().filter(|far| *far >= 0)?;
            Some(i64::from(distance) << 32 | i64::from(mark.print))
        });
        [
            (application(topic, key, ""), position),
            (application(topic, key, "/events"), counted.events),
            (application(topic, key, "/dead"), counted.dead),
            (application(topic, key, "/mark"), packed.unwrap_or(-1)),
            (application(topic, key, "/origin"), self.origin.map_or(-1, i64::from)),
        ]
    }

    /// The versions by which a table no longer knows a generation.
    pub fn forget(topic: &str, key: Key) -> [(String, i64); 5] {
        Reached::applications(topic, key).map(|name| (name, -1))
    }

    /// The names under which a table keeps what it knows of a generation.
    pub fn applications(topic: &str, key: Key) -> [String; 5] {
        ["", "/events", "/dead", "/mark", "/origin"].map(|part| application(topic, key, part))
    }
}

fn application(topic: &str, key: Key, part: &str) -> String {
    format!("{topic}/{}/{}{part}", key.generation, key.partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let key = Key { partition: 3, generation: 1 };
        let counted = Some(Counted { events: 7, dead: 2 });
        let far = Mark { offset: 4, print: u32::MAX };
        for reached in [
            Reached { position: Position::at(10), counted, mark: Some(far), origin: Some(9) },
            Reached { position: Position::at(10), counted: None, mark: None, origin: None },
            Reached {
                position: Position::at(1),
                counted,
                mark: Some(Mark { offset: 0, print: 0 }),
                origin: Some(u32::MAX),
            },
            Reached::beginning(Position::at(0)),
        ] {
            let versions: Versions = reached.write("t", key).into();
            assert_eq!(Reached::read(&versions, "t", key), Some(reached));
            assert_eq!(Reached::read(&versions, "u", key), None);
            assert_eq!(Reached::read(&versions, "t", Key { generation: 0, ..key }), None);
            let forgotten: Versions = Reached::forget("t", key).into();
            assert_eq!(Reached::read(&forgotten, "t", key), None);
        }
    }

    #[test]
    fn a_mark_that_lies_too_far_back_is_forgotten_and_never_another_one() {
        let key = Key { partition: 0, generation: 0 };
        let mark = Some(Mark { offset: 0, print: 5 });
        let position = Position::at(i64::from(i32::MAX) + 2);
        let versions =
            Reached { position, counted: None, mark, origin: None }.write("t", key).into();
        assert_eq!(Reached::read(&versions, "t", key).unwrap().mark, None);
    }

    #[test]
    fn a_mark_tells_records_apart_by_content_and_by_time() {
        let of = |timestamp_ms, crc| Mark::of(Fingerprint { offset: 1, timestamp_ms, crc });
        assert_eq!(of(Some(1), 2), of(Some(1), 2));
        assert_ne!(of(Some(1), 2), of(Some(2), 2));
        assert_ne!(of(Some(1), 2), of(Some(1), 3));
        assert_ne!(of(None, 2), of(Some(0), 2));
    }
}
