//! Filters: which events a condition is about. Each different one has a bit, so that an event is matched
//! once, when it comes, and remembers which filters it matched.

use super::RulesError;
use super::file::{FilterFile, HoursFile};
use super::hours::{Hours, hour_of_week};
use crate::PatternEvent;

/// Bits of filters.
pub(crate) type Mask = u32;

/// So many bits there are for them.
const FILTERS_MAX: usize = 31;

/// No filter: the event names a counterparty.
pub(crate) const HAS_COUNTERPARTY: Mask = 1 << FILTERS_MAX;

/// All different filters; the bit of each is its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filters {
    filters: Vec<Filter>,
    /// Each name that some filter asks for, and the filters that let it pass: names are compared once an event,
    /// not once a filter.
    by_event_type: ByName,
    by_event_subtype: ByName,
    /// Filters that ask for a duration, an amount or an hour too.
    with_ranges: Mask,
    /// How far the clocks by which hours are meant are ahead of UTC.
    pub(super) offset_micros: i64,
}

/// Which filters let a name pass.
#[derive(Clone, Debug, Default, PartialEq)]
struct ByName {
    names: Vec<(String, Mask)>,
    /// Filters that let every name pass, and none.
    any: Mask,
}

impl ByName {
    /// Adds a filter of this bit that lets these names pass.
    fn add(&mut self, names: Option<&Vec<String>>, bit: Mask) {
        let Some(names) = names else {
            self.any |= bit;
            return;
        };
        for name in names {
            match self.names.iter_mut().find(|(known, _)| known == name) {
                Some((_, mask)) => *mask |= bit,
                None => self.names.push((name.clone(), bit)),
            }
        }
    }

    fn passing(&self, name: Option<&str>) -> Mask {
        let listed = name.and_then(|name| self.names.iter().find(|(known, _)| known == name));
        self.any | listed.map_or(0, |(_, mask)| *mask)
    }
}

/// One filter: everything in it must match.
#[derive(Clone, Debug, Default, PartialEq)]
struct Filter {
    event_types: Option<Vec<String>>,
    event_subtypes: Option<Vec<String>>,
    duration_seconds: Option<[i64; 2]>,
    amount_micro_tenge: Option<[i64; 2]>,
    during: Option<Hours>,
    outside: Option<Hours>,
}

impl Filters {
    /// The bit of this filter; a new one if it is new.
    pub(super) fn bit(
        &mut self,
        file: Option<&FilterFile>,
        line: usize,
    ) -> Result<Mask, RulesError> {
        let filter = file.map_or_else(|| Ok(Filter::default()), |file| Filter::new(file, line))?;
        if let Some(place) = self.filters.iter().position(|known| *known == filter) {
            return Ok(1 << place);
        }
        if self.filters.len() >= FILTERS_MAX {
            let message = format!("more than {FILTERS_MAX} different filters in one file");
            return Err(RulesError { line, message });
        }
        let bit = 1 << self.filters.len();
        self.by_event_type.add(filter.event_types.as_ref(), bit);
        self.by_event_subtype.add(filter.event_subtypes.as_ref(), bit);
        let has_ranges = filter.duration_seconds.is_some() || filter.amount_micro_tenge.is_some();
        if has_ranges || filter.during.is_some() || filter.outside.is_some() {
            self.with_ranges |= bit;
        }
        self.filters.push(filter);
        Ok(bit)
    }

    #[inline]
    pub(crate) fn matching(&self, event: &PatternEvent<'_>) -> Mask {
        let passing = self.by_event_type.passing(Some(event.event_type))
            & self.by_event_subtype.passing(event.event_subtype);
        let (mut mask, mut to_check) = (passing, passing & self.with_ranges);
        while to_check != 0 {
            let place = to_check.trailing_zeros();
            to_check &= to_check - 1;
            if !self.filters[place as usize].holds_ranges(event, self.offset_micros) {
                mask &= !(1 << place);
            }
        }
        mask
    }
}

impl Filter {
    fn new(file: &FilterFile, line: usize) -> Result<Self, RulesError> {
        let range = |name: &str, least: Option<f64>, most: Option<f64>, unit: f64| {
            if least.is_none() && most.is_none() {
                return Ok(None);
            }
            let bounds = [least.unwrap_or(0.0), most.unwrap_or(1e12)];
            if !bounds.iter().all(|bound| (0.0..=1e12).contains(bound)) || bounds[0] > bounds[1] {
                let message = format!(
                    "{name}_at_least and {name}_at_most: expected numbers from 0 on, the first not above the second"
                );
                return Err(RulesError { line, message });
            }
            Ok(Some(bounds.map(|bound| (bound * unit).round() as i64)))
        };
        let hours = |given: Option<&HoursFile>, is_outside: bool| {
            let hours = given.map(|file| Hours::new(file, is_outside)).transpose();
            hours.map_err(|message| RulesError { line, message })
        };
        let during = hours(file.during.as_ref(), false)?;
        let outside = hours(file.outside.as_ref(), true)?;
        let duration = range("duration", file.duration_at_least, file.duration_at_most, 1.0)?;
        let amount = range("amount", file.amount_at_least, file.amount_at_most, 1e6)?;
        for list in [&file.event_type, &file.event_subtype].into_iter().flatten() {
            if list.0.is_empty() {
                let message = "an empty list matches nothing: leave the key out".to_owned();
                return Err(RulesError { line, message });
            }
        }
        Ok(Filter {
            event_types: file.event_type.as_ref().map(|list| list.0.clone()),
            event_subtypes: file.event_subtype.as_ref().map(|list| list.0.clone()),
            duration_seconds: duration,
            amount_micro_tenge: amount,
            during,
            outside,
        })
    }

    fn holds_ranges(&self, event: &PatternEvent<'_>, offset_micros: i64) -> bool {
        let is_within = |range: Option<[i64; 2]>, value: Option<i64>| {
            range.is_none_or(|[least, most]| {
                value.is_some_and(|value| (least..=most).contains(&value))
            })
        };
        is_within(self.duration_seconds, event.duration_seconds.map(i64::from))
            && is_within(self.amount_micro_tenge, event.amount_micro_tenge)
            && [&self.during, &self.outside]
                .into_iter()
                .flatten()
                .all(|hours| hours.holds(hour_of_week(event.time.micros(), offset_micros)))
    }
}
