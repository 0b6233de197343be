//! The figures of an event: what is summed beside the number of events. The one list of them, and what a group's events
//! add up to.
//!
//! Whatever stores, adds up, compares or prints figures walks [`FIGURES`]; docs/extending.md names the few other places that
//! a new one needs. Keeps I-5: integers only, so that no sum depends on the order of addition.

use event_model::{EventView, MICROS_PER_UNIT};

/// A figure: what it is called where, and in which unit.
#[derive(Debug)]
pub struct Figure {
    /// A sum of it: a column of the view `minute_figures`, a field of JSON.
    pub name: &'static str,
    /// Its unit, as the head of a table says it.
    pub unit: &'static str,
    /// It comes in whole units. Every other is exact to a millionth, and has a column that is rounded for users.
    pub is_whole: bool,
    /// The column of `real_time_metrics` and `late_metrics` that users read.
    pub column: &'static str,
    /// The column of the same tables that holds the exact sum; of a whole figure it is the same.
    pub exact_column: &'static str,
    /// The same for a day.
    pub day: DayFigure,
    /// Its sum, 10⁻⁶ of its unit.
    pub micros: fn(&Totals) -> i128,
}

/// A figure in a row of `daily_stats`, which has units of its own.
#[derive(Debug)]
pub struct DayFigure {
    /// Its column in `daily_stats`.
    pub column: &'static str,
    /// What its sum is called in a report.
    pub title: &'static str,
    /// Its unit, as the head of a table says it.
    pub unit: &'static str,
    /// How many of the figure's own units that is.
    pub units: u32,
    /// Decimals that a report shows.
    pub decimals: usize,
}

/// All figures, in the order in which they are shown.
pub const FIGURES: [Figure; 3] = [
    Figure {
        name: "seconds",
        unit: "seconds",
        is_whole: true,
        column: "total_duration",
        exact_column: "total_duration",
        day: DayFigure {
            column: "total_duration_hours",
            title: "duration, hours",
            unit: "hours",
            units: 3_600,
            decimals: 1,
        },
        micros: |totals| i128::from(totals.duration_seconds) * i128::from(MICROS_PER_UNIT),
    },
    Figure {
        name: "data_mb",
        unit: "MB",
        is_whole: false,
        column: "total_data_mb",
        exact_column: "exact_data_mb",
        day: DayFigure {
            column: "total_data_tb",
            title: "data, TB",
            unit: "TB",
            units: 1_024 * 1_024,
            decimals: 4,
        },
        micros: |totals| totals.data_micro_mb,
    },
    Figure {
        name: "amount",
        unit: "tenge",
        is_whole: false,
        column: "total_amount",
        exact_column: "exact_amount",
        day: DayFigure {
            column: "total_amount",
            title: "amount, tenge",
            unit: "tenge",
            units: 1,
            decimals: 2,
        },
        micros: |totals| totals.amount_micro_tenge,
    },
];

/// Places in [`FIGURES`] of those that averages are made from.
impl Figure {
    /// The place of the duration, seconds.
    pub const SECONDS: usize = 0;
    /// The place of the data volume, MB.
    pub const DATA_MB: usize = 1;
}

/// One value for each of [`FIGURES`], in their order.
pub type PerFigure<T> = [T; FIGURES.len()];

/// What one group's events add up to.
///
/// No field can overflow: 2⁶³ / 31,622,400 s is 2.9·10¹¹ events of the longest duration, in one
/// group and between two flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of events.
    pub events: i64,
    /// Duration, whole seconds.
    pub duration_seconds: i64,
    /// 10⁻⁶ MB.
    pub data_micro_mb: i128,
    /// 10⁻⁶ tenge.
    pub amount_micro_tenge: i128,
}

impl Totals {
    /// Adds an event; what it has no number for adds 0.
    pub fn add_event(&mut self, event: &EventView<'_>) {
        self.events += 1;
        self.duration_seconds += event.duration_seconds;
        self.data_micro_mb += i128::from(event.data_micro_mb);
        self.amount_micro_tenge += i128::from(event.amount_micro_tenge);
    }

    /// Adds another part of the same group.
    pub fn add(&mut self, other: &Totals) {
        self.events += other.events;
        self.duration_seconds += other.duration_seconds;
        self.data_micro_mb += other.data_micro_mb;
        self.amount_micro_tenge += other.amount_micro_tenge;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn totals_beyond_64_bits_stay_exact() {
        let mut totals = Totals { data_micro_mb: i128::from(i64::MAX), ..Totals::default() };
        totals.add(&Totals { data_micro_mb: 1, ..Totals::default() });
        assert_eq!(totals.data_micro_mb, i128::from(i64::MAX) + 1);
    }

    #[test]
    fn each_figure_is_another_part_of_the_totals_in_millionths_of_its_unit() {
        let totals = Totals {
            events: 9,
            duration_seconds: 2,
            data_micro_mb: 1_500_000,
            amount_micro_tenge: 250_000,
        };
        let micros = FIGURES.map(|figure| (figure.name, (figure.micros)(&totals)));
        assert_eq!(micros, [("seconds", 2_000_000), ("data_mb", 1_500_000), ("amount", 250_000)]);
        assert_eq!(FIGURES[Figure::SECONDS].name, "seconds");
        assert_eq!(FIGURES[Figure::DATA_MB].name, "data_mb");
    }

    #[test]
    fn only_a_whole_figure_is_exact_where_users_read_it() {
        for figure in &FIGURES {
            assert_eq!(figure.is_whole, figure.column == figure.exact_column, "{}", figure.name);
        }
        let names: BTreeSet<_> = FIGURES.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len());
    }
}
