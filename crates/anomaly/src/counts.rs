//! How many events each region and type had in each window, and what they came to.

use std::collections::HashMap;

use crate::calendar::DetectionWindow;
use crate::measure::{Figures, Measure};

/// The region of the series that add all regions up. The contract reserves the name.
pub const NATIONWIDE: &str = "ALL";

/// One region and event type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Region, or [`NATIONWIDE`].
    pub region: String,
    /// As events name it.
    pub event_type: String,
}

impl Series {
    /// The series of this name.
    pub fn new(region: &str, event_type: &str) -> Self {
        Series { region: region.to_owned(), event_type: event_type.to_owned() }
    }
}

/// Counts by series and window.
///
/// A window of which nothing at all was counted is a *hole*: nobody knows whether there was nothing or
/// nobody counted. In any other window a series without events had none.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    series: Vec<Series>,
    index: HashMap<Series, usize>,
    windows: HashMap<DetectionWindow, Vec<Figures>>,
    begins: Option<DetectionWindow>,
    /// Whether anything at all was added up of a measure.
    measured: [bool; Measure::ALL.len()],
}

/// What all series had in one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a>(&'a [Figures]);

impl Counts {
    /// Adds events of a series to a window.
    pub fn add(&mut self, window: DetectionWindow, series: &Series, events: u64) {
        self.add_figures(window, series, Figures::events(events));
    }

    /// Adds events of a series to a window, and what they come to.
    pub fn add_figures(&mut self, window: DetectionWindow, series: &Series, figures: Figures) {
        let index = match self.index.get(series) {
            Some(index) => *index,
            None => {
                self.index.insert(series.clone(), self.series.len());
                self.series.push(series.clone());
                self.series.len() - 1
            }
        };
        self.begins_by(window);
        for (measured, measure) in self.measured.iter_mut().zip(Measure::ALL) {
            *measured |= figures.of(measure) > 0.0;
        }
        let row = self.windows.entry(window).or_default();
        if row.len() <= index {
            row.resize(index + 1, Figures::default());
        }
        row[index] += figures;
    }

    /// Takes note that counting had begun by this window, whether its counts are here or not.
    pub fn begins_by(&mut self, window: DetectionWindow) {
        self.begins = Some(self.begins.map_or(window, |known| known.min(window)));
    }

    /// The first window that is known to have been counted.
    pub fn begins(&self) -> Option<DetectionWindow> {
        self.begins
    }

    /// All series that have ever had events, in the order of their indices.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Whether anything at all was counted in a window.
    pub fn has(&self, window: DetectionWindow) -> bool {
        self.windows.contains_key(&window)
    }

    /// Events of the series with this index; `None`: the window is a hole.
    pub fn of(&self, window: DetectionWindow, index: usize) -> Option<u64> {
        Some(self.figures(window, index)?.events)
    }

    /// Figures of the series with this index; `None`: the window is a hole.
    pub fn figures(&self, window: DetectionWindow, index: usize) -> Option<Figures> {
        Some(self.row(window)?.figures(index))
    }

    /// Events of these series together; `None`: the window is a hole.
    pub fn of_all(&self, window: DetectionWindow, indices: &[usize]) -> Option<u64> {
        Some(self.row(window)?.figures_of_all(indices).events)
    }

    /// What all series had in a window; `None`: it is a hole.
    pub(crate) fn row(&self, window: DetectionWindow) -> Option<Row<'_>> {
        self.windows.get(&window).map(|row| Row(row))
    }

    /// Whether anything at all was added up of a measure.
    pub(crate) fn has_measure(&self, measure: Measure) -> bool {
        self.measured[measure as usize]
    }
}

impl Row<'_> {
    /// The figures of the series with this index.
    pub(crate) fn figures(self, index: usize) -> Figures {
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The figures of these series together.
    pub(crate) fn figures_of_all(self, indices: &[usize]) -> Figures {
        let mut sum = Figures::default();
        indices.iter().for_each(|index| sum += self.figures(*index));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_any_event_is_a_hole_and_a_series_without_any_has_none() {
        let mut counts = Counts::default();
        let [first, second] = [DetectionWindow::number(1), DetectionWindow::number(2)];
        counts.add(first, &Series::new("Osh", "call"), 2);
        counts.add(first, &Series::new("Osh", "call"), 3);
        counts.add(second, &Series::new("Osh", "sms"), 1);
        assert_eq!((counts.of(first, 0), counts.of(first, 1)), (Some(5), Some(0)));
        assert_eq!((counts.of(second, 0), counts.of(second, 1)), (Some(0), Some(1)));
        assert_eq!(counts.of(DetectionWindow::number(3), 0), None);
        assert_eq!(counts.of_all(first, &[0, 1]), Some(5));
        assert_eq!(counts.of_all(DetectionWindow::number(3), &[0, 1]), None);
    }
}
