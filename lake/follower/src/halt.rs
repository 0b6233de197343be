//! Why a partition is not archived further, and what an operator's permission does about it.
//!
//! | halt | what is lost to the lake | once it is accepted, the lake goes on |
//! |---|---|---|
//! | sealed | what it had not archived of a generation that is over | with the next generation |
//! | overtaken | what the log no longer holds | at the log's low end, counters unknown |
//! | another log | nothing that it could tell | where the operator says, counters unknown |
//! | incomparable | it can't be told | with the next generation |
//! | rolled back | nothing that it could tell | where the operator says, counters unknown; later generations are forgotten |
//! | counts differ | nothing: but which records are events can't be told for certain | where it is, counters unknown |
//!
//! While its counters are unknown, what the lake reads is judged by the event's own rules and the dead letters that
//! are there, and not checked against the warehouse's sums; with the first commit they are known again.

use std::fmt;

use windowing::Position;

use crate::{Counted, Mark, Reached, Task};

/// Why a partition is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An operator must say how it goes on.
    Halt(Halt),
    /// It passes by itself.
    Passing(Passing),
}

/// What passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// The warehouse's last record does not stand in the log: the log was exchanged or cut, and the warehouse has
    /// not noticed yet, or waits for its operator.
    LastRecordMissing {
        /// Kafka's offset of that record.
        offset: i64,
    },
    /// Nothing came of it for too long.
    Silent {
        /// The offset that was read next.
        at: Position,
    },
}

/// What an operator must decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The warehouse has begun the next generation before the lake had archived this one.
    Sealed {
        /// The lake's position.
        from: Position,
        /// The generation's end.
        to: Position,
    },
    /// Records were deleted from the log before the lake had read them.
    Overtaken {
        /// The lake's position.
        from: Position,
        /// The log's low end.
        to: Position,
    },
    /// The last record that the lake has archived is not the one that stands there.
    AnotherLog {
        /// Kafka's offset of that record.
        offset: i64,
        /// The generation's first offset.
        first: Position,
    },
    /// The generation is over, and the lake had gone further in it than the warehouse ever came again after it
    /// was restored.
    Incomparable {
        /// The generation's first offset.
        from: Position,
        /// The offset before which it ends.
        to: Position,
    },
    /// The warehouse does not know a generation of which the lake has archived something.
    RolledBack {
        /// The generation's number, from 0.
        generation: i32,
        /// Where the warehouse's generation began.
        first: Position,
    },
    /// Another number of events or dead letters was found than the warehouse has counted.
    CountsDiffer {
        /// What the warehouse has counted.
        expected: Counted,
        /// What reading the range found.
        found: Counted,
        /// The range that was read.
        from: Position,
        /// The offset before which it ends.
        to: Position,
        /// Dead letters of the range that the warehouse still has.
        letters: i64,
    },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Sealed { from, to } => write!(
                f,
                "the generation was over before the lake had archived it: lost to the lake are the offsets from \
                 {from} to before {to}; `archiver accept-gap` goes on with the next generation"
            ),
            Halt::Overtaken { from, to } => write!(
                f,
                "records were deleted from the log before the lake had archived them: lost to the lake are the \
                 offsets from {from} to before {to}; `archiver accept-gap` goes on at {to}"
            ),
            Halt::AnotherLog { offset, first } => write!(
                f,
                "the record at offset {offset} is another one than the lake knows: the database was restored to a \
                 time before it met this log, or the log was cut off meanwhile; `archiver accept-gap --from OFFSET` \
                 goes on at the first offset that the lake has not archived of this log, {first} where it has \
                 archived none"
            ),
            Halt::Incomparable { from, to } => write!(
                f,
                "the generation is over, and the lake had gone further in it before the database was restored: \
                 whether it holds all that was counted of the offsets from {from} to before {to} can't be told; \
                 `archiver accept-gap` goes on with the next generation"
            ),
            Halt::RolledBack { generation, first } => write!(
                f,
                "the lake has archived something of generation {generation}, which the warehouse does not know: its \
                 database was restored, and now counts the same log in this generation; `archiver accept-gap --from \
                 OFFSET` goes on at the first offset that the lake has not archived in any generation, {first} \
                 where it has archived none"
            ),
            Halt::CountsDiffer { expected, found, from, to, letters } => {
                write!(
                    f,
                    "of the offsets from {from} to before {to} the warehouse has counted {} events and {} dead \
                     letters, but {} and {} were found",
                    expected.events, expected.dead, found.events, found.dead
                )?;
                if found.events < expected.events {
                    write!(f, "; events in Avro are not found here, which reads JSON alone")?;
                }
                if *letters < expected.dead {
                    write!(f, "; {} of its dead letters are deleted", expected.dead - letters)?;
                }
                write!(f, "; `archiver accept-gap` archives what was found")
            }
        }
    }
}

impl fmt::Display for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Passing::LastRecordMissing { offset } => write!(
                f,
                "the record at offset {offset}, the last one that the warehouse has counted, is not in the log any \
                 more; the lake waits until the warehouse has gone on"
            ),
            Passing::Silent { at } => {
                write!(f, "no record came at offset {at}; it is tried again")
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Halt(halt) => halt.fmt(f),
            Trouble::Passing(passing) => passing.fmt(f),
        }
    }
}

/// Where an operator wants the lake to go on in another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The first offset that the lake has not archived of this log.
    pub position: Position,
    /// The record before it, where there is one.
    pub mark: Option<Mark>,
}

/// What a permission does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the lake has reached then.
    pub reached: Reached,
    /// The offsets that it will never have; empty: none is lost.
    pub lost: (Position, Position),
}

impl Halt {
    /// The stable name, as stored in the lake's table of gaps.
    pub const fn code(&self) -> &'static str {
        match self {
            Halt::Sealed { .. } => "sealed",
            Halt::Overtaken { .. } => "overtaken",
            Halt::AnotherLog { .. } => "another_log",
            Halt::Incomparable { .. } => "incomparable",
            Halt::RolledBack { .. } => "rolled_back",
            Halt::CountsDiffer { .. } => "counts_differ",
        }
    }

    /// How the lake goes on once an operator has accepted it; `None`: he has to say where. `from` is where it
    /// stands.
    pub fn accepted(&self, from: Reached, resume: Option<Resume>) -> Option<Accepted> {
        let unknown = |position, origin| Reached { position, counted: None, mark: None, origin };
        let nothing = (from.position, from.position);
        Some(match *self {
            Halt::Sealed { from: lost, to } | Halt::Incomparable { from: lost, to } => {
                Accepted { reached: unknown(to, None), lost: (lost, to) }
            }
            Halt::Overtaken { to, .. } => {
                Accepted { reached: unknown(to, from.origin), lost: (from.position, to) }
            }
            // The first record that it knew is one of the other log.
            Halt::AnotherLog { .. } | Halt::RolledBack { .. } => {
                let Resume { position, mark } = resume?;
                Accepted { reached: Reached { mark, ..unknown(position, None) }, lost: nothing }
            }
            Halt::CountsDiffer { .. } => {
                Accepted { reached: Reached { counted: None, ..from }, lost: nothing }
            }
        })
    }
}

/// What it means that a reading did not come out as the warehouse says.
pub(crate) fn counts_differ(
    task: &Task,
    low: Position,
    found: Counted,
    expected: Counted,
    letters: i64,
) -> Halt {
    let is_short = found.events < expected.events || found.dead < expected.dead;
    if is_short && low > task.from.position {
        return Halt::Overtaken { from: task.from.position, to: low };
    }
    let (from, to) = (task.from.position, task.to);
    Halt::CountsDiffer { expected, found, from, to, letters }
}
