//! What is judged of a series: how many events there are, and what they come to.

use serde::{Deserialize, Serialize};

/// What is counted, or added up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// How many events there were.
    #[default]
    Events,
    /// Minutes that calls and sessions lasted.
    Minutes,
    /// Megabytes of data.
    Megabytes,
    /// Amounts of top-ups, tenge.
    Tenge,
}

/// What the events of a series came to in a window, as whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many there were.
    pub events: u64,
    /// Seconds that they lasted.
    pub seconds: u64,
    /// Data, hundredths of a megabyte.
    pub megabyte_hundredths: u64,
    /// Amounts, hundredths of a tenge.
    pub tenge_hundredths: u64,
}

impl Measure {
    /// All, the number of events first: what events come to is judged beside it.
    pub const ALL: [Measure; 4] =
        [Measure::Events, Measure::Minutes, Measure::Megabytes, Measure::Tenge];
    /// All that events come to.
    pub const AMOUNTS: [Measure; 3] = [Measure::Minutes, Measure::Megabytes, Measure::Tenge];

    /// Its name in tables and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Events => "events",
            Measure::Minutes => "minutes",
            Measure::Megabytes => "megabytes",
            Measure::Tenge => "tenge",
        }
    }

    /// The measure of this name.
    pub fn named(name: &str) -> Option<Self> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

impl Figures {
    /// So many events, of which nothing else is known.
    pub fn events(events: u64) -> Self {
        Figures { events, ..Figures::default() }
    }

    /// What they come to, in the measure's own unit.
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Events => self.events as f64,
            Measure::Minutes => self.seconds as f64 / 60.0,
            Measure::Megabytes => self.megabyte_hundredths as f64 / 100.0,
            Measure::Tenge => self.tenge_hundredths as f64 / 100.0,
        }
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.events += other.events;
        self.seconds += other.seconds;
        self.megabyte_hundredths += other.megabyte_hundredths;
        self.tenge_hundredths += other.tenge_hundredths;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_has_a_name_and_figures_have_its_unit() {
        let figures =
            Figures { events: 3, seconds: 90, megabyte_hundredths: 250, tenge_hundredths: 12_345 };
        let shown = Measure::ALL.map(|measure| (measure.name(), figures.of(measure)));
        assert_eq!(
            shown,
            [("events", 3.0), ("minutes", 1.5), ("megabytes", 2.5), ("tenge", 123.45)]
        );
        assert!(
            Measure::ALL.iter().all(|measure| Measure::named(measure.name()) == Some(*measure))
        );
        assert_eq!(Measure::named("hours"), None);
    }
}
