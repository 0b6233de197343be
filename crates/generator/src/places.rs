//! Where a subscriber is.
//!
//! In: a subscriber and a local time. Out: the tower that they use, or that they are on the way between
//! two regions and out of coverage. Nothing is carried from one event to the next, so any moment can be
//! asked for; what keeps people from teleporting is that days and journeys are drawn as wholes:
//!
//! ```text
//!   28 days:  home ······· home │✈│ away · away · away │✈│ home ······ home     at most one journey
//!   a day:    home ──┐ ╱ work ──────────── ╲ ┌── home                           at most one outing
//!              tower by tower ┘             └ tower by tower
//! ```
//!
//! Outings happen only on days that are wholly at home or wholly away, and end before midnight; a journey
//! ends before the next 28 days begin. So all pieces fit together at their ends.

use crate::cast::Stay;
use crate::curve::Rates;
use crate::people::{People, Person};
use crate::random::{Dice, Purpose, Streams, unit};
use crate::scenario::{Grid, Movement, Region};
use crate::today::{Question, Today};

const SECONDS_PER_DAY: i64 = 86_400;
const SECONDS_PER_HOUR: i64 = 3_600;
/// Days of which one journey at most is drawn.
const JOURNEY_EPOCH_DAYS: i64 = 28;
/// Average days of a year.
const DAYS_PER_YEAR: f64 = 365.25;
/// Speed in the streets, and what every way takes besides.
const STREET_KM_PER_HOUR: f64 = 25.0;
const STREET_EXTRA_SECONDS: i64 = 600;
/// Speed between regions, and what every journey takes besides.
const JOURNEY_KM_PER_HOUR: f64 = 600.0;
const JOURNEY_EXTRA_SECONDS: i64 = 5_400;
/// From one stop to the next of those who roam, and how far these are from home in each direction at most: so that they
/// keep to the speed in the streets.
const ROAMING_LEG_SECONDS: i64 = 2_400;
const ROAMING_KM: f64 = 6.0;
/// How long a phone at a border hears one of its two towers, and how often it is the far one.
const BORDER_SECONDS: i64 = 480;
const BORDER_SHARE: f64 = 0.3;
/// Kilometres of a degree of latitude.
const KM_PER_DEGREE: f64 = 111.19;

/// A tower and its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index of the region.
    pub(crate) region: usize,
    /// Id of the tower.
    pub(crate) tower: u32,
}

/// Answers where subscribers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whereabouts<'a> {
    pub(crate) grids: &'a [Grid],
    pub(crate) movement: &'a Movement,
    pub(crate) regions: &'a [Region],
    pub(crate) streams: Streams,
    pub(crate) today: &'a Today,
}

/// Where somebody stays overnight.
#[derive(Clone, Copy, Debug)]
struct Base {
    region: usize,
    cell: u32,
}

impl Base {
    fn home_of(subscriber: u32, people: &People) -> Self {
        let cell = u32::from(people.person(subscriber).home);
        Base { region: people.home_region(subscriber), cell }
    }
}

/// A journey, in local seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Journey {
    away: Base,
    departure: i64,
    arrival: i64,
    return_departure: i64,
    return_arrival: i64,
}

/// A way out and back within a day, in seconds since midnight.
#[derive(Clone, Copy, Debug)]
struct Outing {
    cell: u32,
    leave: i64,
    arrive: i64,
    turn_back: i64,
    back: i64,
}

impl Whereabouts<'_> {
    /// The tower that a subscriber uses at this second of UTC, or `None` while they are between regions.
    pub(crate) fn at(
        &self,
        people: &People,
        subscriber: u32,
        rates: &Rates,
        unix_second: i64,
    ) -> Option<Place> {
        let person = people.person(subscriber);
        let home = Base::home_of(subscriber, people);
        let (day, second) = rates.local_day_and_second(unix_second);
        let now = day * SECONDS_PER_DAY + second;
        let is_at_home = self.is_in_home_region(people, subscriber, day);
        let journey = if is_at_home { None } else { self.journey(subscriber, home, day) };
        let (base, is_whole_day) = match journey {
            None => (home, true),
            Some(journey) => stay(&journey, home, day, now)?,
        };
        let outing = if is_whole_day {
            let works = rates.is_working_day && base.region == home.region;
            self.outing(subscriber, person, base, works, day)
        } else {
            None
        };
        let grid = &self.grids[base.region];
        let cell = outing.map_or(base.cell, |outing| position(grid, base.cell, &outing, second));
        Some(Place { region: base.region, tower: grid.first_tower + cell })
    }

    /// Where an actor is, who never leaves their region.
    pub(crate) fn of_actor(
        &self,
        people: &People,
        subscriber: u32,
        stay: Stay,
        case: u16,
        unix_second: i64,
    ) -> Place {
        let mut region = people.home_region(subscriber);
        let mut cell = u32::from(people.person(subscriber).home);
        let grid = &self.grids[region];
        match stay {
            Stay::Ordinary | Stay::Fixed => {}
            Stay::Roams => cell = self.roaming(grid, cell, subscriber, unix_second),
            Stay::Border => cell = self.border_cell(grid, cell, subscriber, unix_second),
            Stay::Far => {
                let mut dice =
                    self.streams.at(0).open(Purpose::Cast, 1 + u32::from(case), subscriber);
                let weight = |(index, found): (usize, &Region)| {
                    if index == region { 0.0 } else { found.weight }
                };
                if self.grids.len() > 1 {
                    region = dice.weighted(self.regions.iter().enumerate().map(weight));
                }
                let grid = &self.grids[region];
                cell = dice.below(u64::from(grid.columns * grid.rows)) as u32;
            }
        }
        Place { region, tower: self.grids[region].first_tower + cell }
    }

    /// On a straight line from one stop near home to the next.
    fn roaming(&self, grid: &Grid, home: u32, subscriber: u32, unix_second: i64) -> u32 {
        let leg = unix_second.div_euclid(ROAMING_LEG_SECONDS);
        let stop = |leg: i64| {
            let mut dice = self.streams.at(leg).open(Purpose::Cast, 0, subscriber);
            grid.near(home, self.movement.commute_km.min(ROAMING_KM), &mut dice)
        };
        let way = unix_second.rem_euclid(ROAMING_LEG_SECONDS) as f64 / ROAMING_LEG_SECONDS as f64;
        grid.between(stop(leg), stop(leg + 1), way)
    }

    /// At home, or for some minutes at the tower in the opposite corner of the grid.
    fn border_cell(&self, grid: &Grid, home: u32, subscriber: u32, unix_second: i64) -> u32 {
        let at = self.streams.at(unix_second.div_euclid(BORDER_SECONDS));
        if unit(at.first_bits(Purpose::Cast, 0, subscriber)) >= BORDER_SHARE {
            return home;
        }
        let (column, row) = grid.column_and_row(home);
        let opposite = |at: u32, count: u32| if 2 * at < count { count - 1 } else { 0 };
        opposite(row, grid.rows) * grid.columns + opposite(column, grid.columns)
    }

    /// Whether a subscriber is not on the way between regions at this second of UTC.
    pub(crate) fn has_coverage(
        &self,
        people: &People,
        subscriber: u32,
        rates: &Rates,
        unix_second: i64,
    ) -> bool {
        let (day, second) = rates.local_day_and_second(unix_second);
        if self.is_in_home_region(people, subscriber, day) {
            return true;
        }
        let home = Base::home_of(subscriber, people);
        let now = day * SECONDS_PER_DAY + second;
        self.journey(subscriber, home, day)
            .is_none_or(|journey| stay(&journey, home, day, now).is_some())
    }

    /// Whether a subscriber is on no journey on a local day.
    pub(crate) fn is_in_home_region(&self, people: &People, subscriber: u32, day: i64) -> bool {
        self.today.is_so(Question::IsInHomeRegion, subscriber, day, || {
            let home = Base::home_of(subscriber, people);
            self.journey(subscriber, home, day).is_none_or(|journey| {
                (day + 1) * SECONDS_PER_DAY <= journey.departure
                    || journey.return_arrival <= day * SECONDS_PER_DAY
            })
        })
    }

    /// The journey of the 28 days that hold this one. Everybody's begin on other days.
    fn journey(&self, subscriber: u32, home: Base, day: i64) -> Option<Journey> {
        let shift = i64::from(subscriber) % JOURNEY_EPOCH_DAYS;
        let epoch = (day + shift).div_euclid(JOURNEY_EPOCH_DAYS);
        let mut dice = self.streams.at(epoch).open(Purpose::Journey, 0, subscriber);
        let share = self.movement.journeys_per_year * JOURNEY_EPOCH_DAYS as f64 / DAYS_PER_YEAR;
        if self.grids.len() < 2 || !dice.chance(share) {
            return None;
        }
        let weights = self.regions.iter().enumerate();
        let others =
            weights.map(|(index, region)| if index == home.region { 0.0 } else { region.weight });
        let region = dice.weighted(others);
        let grid = &self.grids[region];
        let away = Base { region, cell: dice.below(u64::from(grid.columns * grid.rows)) as u32 };
        let (least, most) = self.movement.journey_days;
        let days = i64::from(dice.within(&(least..=most)));
        // From the second to the last but one day of the epoch.
        let first = 1 + dice.below((JOURNEY_EPOCH_DAYS - 2 - days) as u64) as i64;
        let first_day = epoch * JOURNEY_EPOCH_DAYS - shift + first;
        let takes = journey_seconds(&self.grids[home.region], home.cell, grid, away.cell);
        let departure = first_day * SECONDS_PER_DAY + hours(6.0, 11.0, &mut dice);
        let arrival = departure + takes;
        let planned = (first_day + days) * SECONDS_PER_DAY + hours(6.0, 11.0, &mut dice);
        let return_departure = planned.max(arrival + SECONDS_PER_HOUR);
        let return_arrival = return_departure + takes;
        Some(Journey { away, departure, arrival, return_departure, return_arrival })
    }

    fn outing(
        &self,
        subscriber: u32,
        person: &Person,
        base: Base,
        works: bool,
        day: i64,
    ) -> Option<Outing> {
        let mut dice = self.streams.at(day).open(Purpose::Day, 0, subscriber);
        let grid = &self.grids[base.region];
        let (cell, leave, stays) = if works && person.work != person.home {
            (u32::from(person.work), hours(6.5, 2.5, &mut dice), hours(8.0, 1.5, &mut dice))
        } else if dice.chance(self.movement.outing_share) {
            let cell = grid.near(base.cell, self.movement.commute_km, &mut dice);
            (cell, hours(9.5, 5.5, &mut dice), hours(1.0, 3.0, &mut dice))
        } else {
            return None;
        };
        let km = grid.km_between(base.cell, cell);
        let takes =
            (km / STREET_KM_PER_HOUR * SECONDS_PER_HOUR as f64) as i64 + STREET_EXTRA_SECONDS;
        let arrive = leave + takes;
        let turn_back = arrive + stays;
        Some(Outing { cell, leave, arrive, turn_back, back: turn_back + takes })
    }
}

/// Where a traveller stays at this moment, and whether they do all day; `None`: on the way.
fn stay(journey: &Journey, home: Base, day: i64, now: i64) -> Option<(Base, bool)> {
    let today = day * SECONDS_PER_DAY..(day + 1) * SECONDS_PER_DAY;
    let is_all_day = |from: i64, to: i64| from <= today.start && today.end <= to;
    if now < journey.departure {
        Some((home, is_all_day(i64::MIN, journey.departure)))
    } else if now >= journey.return_arrival {
        Some((home, is_all_day(journey.return_arrival, i64::MAX)))
    } else if (journey.arrival..journey.return_departure).contains(&now) {
        Some((journey.away, is_all_day(journey.arrival, journey.return_departure)))
    } else {
        None
    }
}

/// Between `from` and `from + width` hours, in seconds; the middle is likeliest.
fn hours(from: f64, width: f64, dice: &mut Dice) -> i64 {
    let middle = (dice.unit() + dice.unit()) / 2.0;
    ((from + width * middle) * SECONDS_PER_HOUR as f64) as i64
}

fn journey_seconds(from: &Grid, from_cell: u32, to: &Grid, to_cell: u32) -> i64 {
    let km = km_between(from.location(from_cell), to.location(to_cell));
    JOURNEY_EXTRA_SECONDS + (km / JOURNEY_KM_PER_HOUR * SECONDS_PER_HOUR as f64) as i64
}

/// The cell in which somebody is: on the straight line between both ends while they are on the way.
fn position(grid: &Grid, base: u32, outing: &Outing, second: i64) -> u32 {
    let share = |from: i64, to: i64| (second - from) as f64 / (to - from) as f64;
    let way = if second < outing.leave || second >= outing.back {
        return base;
    } else if second < outing.arrive {
        share(outing.leave, outing.arrive)
    } else if second < outing.turn_back {
        return outing.cell;
    } else {
        1.0 - share(outing.turn_back, outing.back)
    };
    grid.between(base, outing.cell, way)
}

/// Kilometres between two places given in degrees north and east, on a sphere.
pub(crate) fn km_between((lat_a, lon_a): (f64, f64), (lat_b, lon_b): (f64, f64)) -> f64 {
    let radians = |degrees: f64| degrees * (std::f64::consts::PI / 180.0);
    let half_sine = |degrees: f64| libm::sin(radians(degrees) / 2.0);
    let (north, east) = (half_sine(lat_b - lat_a), half_sine(lon_b - lon_a));
    let cosines = libm::cos(radians(lat_a)) * libm::cos(radians(lat_b));
    let haversine = north * north + cosines * east * east;
    let degrees = 2.0 * libm::asin(libm::sqrt(haversine.min(1.0))) * (180.0 / std::f64::consts::PI);
    degrees * KM_PER_DEGREE
}

impl Grid {
    /// A cell at most so many kilometres away in each direction, inside the grid.
    pub(crate) fn near(&self, cell: u32, km: f64, dice: &mut Dice) -> u32 {
        let reach = libm::floor(km / self.spacing_km) as u32;
        let (column, row) = self.column_and_row(cell);
        let mut moved = |from: u32, count: u32| {
            let (least, most) = (from.saturating_sub(reach), (from + reach).min(count - 1));
            dice.within(&(least..=most))
        };
        let (column, row) = (moved(column, self.columns), moved(row, self.rows));
        row * self.columns + column
    }

    /// The cell after this share of the straight line between two.
    fn between(&self, from: u32, to: u32, way: f64) -> u32 {
        let ((from_column, from_row), (to_column, to_row)) =
            (self.column_and_row(from), self.column_and_row(to));
        let between = |from: u32, to: u32| {
            let (from, to) = (f64::from(from), f64::from(to));
            libm::round(from + (to - from) * way) as u32
        };
        between(from_row, to_row) * self.columns + between(from_column, to_column)
    }

    fn column_and_row(&self, cell: u32) -> (u32, u32) {
        (cell % self.columns, cell / self.columns)
    }

    fn km_between(&self, one: u32, other: u32) -> f64 {
        let ((a, b), (c, d)) = (self.column_and_row(one), self.column_and_row(other));
        let (columns, rows) = (f64::from(a.abs_diff(c)), f64::from(b.abs_diff(d)));
        libm::sqrt(columns * columns + rows * rows) * self.spacing_km
    }

    /// Degrees north and east of a tower, given as a cell.
    pub(crate) fn location(&self, cell: u32) -> (f64, f64) {
        let (column, row) = self.column_and_row(cell);
        let from_middle = |index: u32, count: u32| f64::from(index) - f64::from(count - 1) / 2.0;
        let north_km = from_middle(row, self.rows) * self.spacing_km;
        let east_km = from_middle(column, self.columns) * self.spacing_km;
        let latitude = self.latitude + north_km / KM_PER_DEGREE;
        let circle = libm::cos(self.latitude * (std::f64::consts::PI / 180.0));
        (latitude, self.longitude + east_km / (KM_PER_DEGREE * circle))
    }
}
