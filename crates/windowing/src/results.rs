//! The kinds of results that a flush stores, and the list of them.
//!
//! The list is in the order in which every writer stores them, which is the order in which rows are locked. A new
//! kind is a line in it, a file here, one in `store/src/flush/results`, one in `tests/sim/results`, and its table;
//! what is missing in one of these does not compile.
//!
//! Keeps I-5 (integers, merged in any order) and I-6 (each kind says by how much a record made it larger).

mod alerts;
mod dead_letters;
mod late;
mod ledger;
mod log_marks;
mod on_time;
mod pattern_gaps;
mod subscribed;
mod totals;

use std::fmt;

use event_model::{Dead, EventView};
use patterns::{Hit, RuleSet};

pub use self::alerts::{Alert, AlertRow, Alerts, HeldAlerts};
pub use self::dead_letters::{DeadLetterRow, DeadLetters};
pub use self::late::Late;
pub use self::ledger::{Ledger, LedgerRow};
pub use self::log_marks::{LogMarkRow, LogMarks};
pub use self::on_time::OnTime;
pub use self::pattern_gaps::{PatternGapRow, PatternGaps};
pub use self::subscribed::Subscribed;
use crate::bounds::{Growth, Limit, Size};
use crate::groups::GroupNumber;
use crate::{LogMark, Record, Rules, Window};

/// A kind of result: what is held of it, and the rows of one table that a flush makes of that.
pub trait ResultKind {
    /// The table that its rows are written into.
    const TABLE: &'static str;
    /// What a partition holds of it until the next flush.
    type Held: Clone + fmt::Debug + Default;
    /// What a flush adds to one row, or inserts.
    type Row<'a>: Clone + fmt::Debug;

    /// The parts' rows, each key once, in the order in which every writer stores them.
    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<Self::Row<'a>>;

    /// How many rows one delta alone has.
    fn row_count(delta: &Delta) -> usize;
}

/// How records add to a kind; what a kind does not count it need not mention. Says by how much it grew.
pub(crate) trait Counted: ResultKind {
    /// What its memory is bounded by.
    const LIMIT: Limit;

    /// Nothing, where so much was held. A kind of many rows keeps room for as many.
    fn emptied(_: &Self::Held) -> Self::Held {
        Self::Held::default()
    }

    #[inline]
    fn on_time(_: &mut Self::Held, _: &mut CountedEvent<'_>) -> Size {
        Size::NONE
    }

    #[inline]
    fn late(_: &mut Self::Held, _: &mut CountedEvent<'_>) -> Size {
        Size::NONE
    }

    #[inline]
    fn dead(_: &mut Self::Held, _: &Record<'_>, _: &Dead, _: Numbers) -> Size {
        Size::NONE
    }
}

/// What becomes of the numbers in a record that can't be used. No count rests on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// They are masked before they are held.
    #[default]
    Masked,
    /// The record is held as it came.
    Kept,
}

pub(crate) struct CountedEvent<'a> {
    pub(crate) event: &'a EventView<'a>,
    pub(crate) window: Window,
    pub(crate) rules: Rules,
    /// Its group among those on time. `on_time` stands first in the list and says it, which saves
    /// those behind it a second look-up by the same names.
    pub(crate) group: GroupNumber,
    /// To be set before it.
    pub(crate) mark: Option<LogMark>,
    /// Rules that hold by it.
    pub(crate) hits: &'a [Hit],
    /// The rules; `None`: they are off.
    pub(crate) set: Option<&'a RuleSet>,
}

/// One partition's share of a flush.
#[derive(Clone, Copy, Debug)]
pub struct PartResults<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// What it adds.
    pub delta: &'a Delta,
}

/// Gives the list to the macro `$then`: the field of a kind, and the kind.
#[macro_export]
macro_rules! for_each_result {
    ($then:ident) => {
        $then! {
            on_time: OnTime,
            late: Late,
            ledger: Ledger,
            subscribers: Subscribed,
            dead_letters: DeadLetters,
            log_marks: LogMarks,
            pattern_gaps: PatternGaps,
            alerts: Alerts
        }
    };
}

macro_rules! define {
    ($($field:ident: $kind:ident),+) => {
        /// What a partition's records have added since its last flush.
        #[derive(Clone, Debug, Default)]
        pub struct Delta {
            $(#[doc = concat!("Held of [`", stringify!($kind), "`].")]
            pub $field: <$kind as ResultKind>::Held,)+
        }

        impl Delta {
            /// What follows it: nothing yet.
            pub(crate) fn emptied(&self) -> Delta {
                Delta { $($field: $kind::emptied(&self.$field),)+ }
            }

            pub(crate) fn add_on_time(&mut self, event: &mut CountedEvent<'_>) -> Growth {
                let mut growth = Growth::default();
                $(growth.add($kind::LIMIT, $kind::on_time(&mut self.$field, event));)+
                growth
            }

            pub(crate) fn add_late(&mut self, event: &mut CountedEvent<'_>) -> Growth {
                let mut growth = Growth::default();
                $(growth.add($kind::LIMIT, $kind::late(&mut self.$field, event));)+
                growth
            }

            /// Keeps a record that can't be used.
            pub(crate) fn add_dead(
                &mut self,
                record: &Record<'_>,
                dead: &Dead,
                numbers: Numbers,
            ) -> Growth {
                let mut growth = Growth::default();
                $(growth.add($kind::LIMIT, $kind::dead(&mut self.$field, record, dead, numbers));)+
                growth
            }

            /// How many rows it adds to or inserts, of all kinds.
            pub fn row_count(&self) -> usize {
                0 $(+ $kind::row_count(self))+
            }
        }

        /// The rows of one flush.
        #[derive(Clone, Debug, Default)]
        pub struct MergedRows<'a> {
            $(#[doc = concat!("Of [`", stringify!($kind), "`].")]
            pub $field: Vec<<$kind as ResultKind>::Row<'a>>,)+
        }

        impl<'a> MergedRows<'a> {
            /// Merges the parts' deltas.
            pub fn of_parts(parts: &[PartResults<'a>]) -> Self {
                MergedRows { $($field: $kind::rows(parts),)+ }
            }
        }

        /// A kind's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResultName {
            $(#[doc = concat!("[`struct@", stringify!($kind), "`]")]
            $kind,)+
        }

        impl ResultName {
            /// All of them, in the order in which they are stored.
            pub const ALL: &'static [ResultName] = &[$(ResultName::$kind),+];

            /// The kind's table.
            pub const fn table(self) -> &'static str {
                match self {
                    $(ResultName::$kind => <$kind as ResultKind>::TABLE,)+
                }
            }
        }
    };
}

for_each_result!(define);
