//! Whether a scenario's parts fit together.
//!
//! In: a [`ScenarioFile`]. Out: a [`Scenario`], or one sentence: the key, what stands there, and what
//! was expected.

pub(super) mod faults;
mod world;

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{NaiveDate, Weekday};
use event_model::EventType;

use self::faults::{anomalies, faults};
use super::file::{
    DistributionFile, GridFile, MovementFile, PeakFile, ProfileFile, RegionFile, ScenarioFile,
    TypeFile,
};
use super::{
    Activity, Contacts, Grid, Holiday, Movement, Peak, RATE_MAX_PER_SECOND, Region, Scenario,
    Spending, TYPES, Towers, TypeModel, type_name,
};
use crate::distribution::Distribution;

/// Most subscribers: each has a number of seven digits behind their prefix, and a prefix may be alone.
pub(crate) const SUBSCRIBERS_MAX: u32 = 10_000_000;
/// Towers that the contract allows.
const TOWER_IDS: std::ops::RangeInclusive<u32> = 1_000..=9_999;
/// Most days of a journey, so that it fits between those before and after.
const JOURNEY_DAYS_MAX: u32 = 14;
/// Nothing happens more often than so many times as often as usual.
const FACTOR_MAX: f64 = 1_000.0;

type Checked<T> = Result<T, String>;

/// The scenario that a file describes.
pub(super) fn checked(name: &str, file: ScenarioFile) -> Checked<Scenario> {
    let zone = file.time_zone.parse().map_err(|_| {
        wrong("time_zone", &file.time_zone, "a name of the tz database, like Asia/Almaty")
    })?;
    let regions = regions(&file.regions)?;
    let towers = towers(&file)?;
    let profiles = profiles(&file.profiles)?;
    let spending = spending(&file)?;
    let types = types(&file, &profiles, spending.is_some())?;
    expect(
        "base_rate",
        file.base_rate,
        file.base_rate > 0.0 && file.base_rate <= RATE_MAX_PER_SECOND,
        "above 0 and up to 1000000",
    )?;
    expect(
        "subscribers",
        file.subscribers,
        (2..=SUBSCRIBERS_MAX).contains(&file.subscribers),
        "2 to 10000000, so that everybody has somebody to call",
    )?;
    let scenario = Scenario {
        name: name.to_owned(),
        description: file.description.clone(),
        zone,
        base_rate: file.base_rate,
        subscribers: file.subscribers,
        activity: activity(&file)?,
        types,
        towers,
        prefixes: prefixes(&file.prefixes)?,
        contacts: contacts(&file)?,
        world: file.world,
        pairs: world::pairs(&file)?,
        roles: world::roles(&file)?,
        frauds: world::frauds(&file)?,
        weather: world::weather(&file)?,
        lives: world::lives(&file)?,
        spending,
        holidays: holidays(&file)?,
        peaks: file.peaks.iter().map(peak).collect::<Checked<_>>()?,
        faults: faults(&file.faults, &regions)?,
        anomalies: anomalies(&file.anomalies, &regions)?,
        regions,
    };
    world::everybody_has_a_number(&scenario)?;
    for anomaly in &scenario.anomalies {
        let is_of_top_ups = anomaly.event_type == Some(EventType::BalanceRecharge);
        let follows = scenario.spending.is_none() || anomaly.magnitude <= 1.0 || !is_of_top_ups;
        let key = format!("anomalies `{}`", anomaly.name);
        expect(&key, "a spike of top-ups", follows, "none: they follow [spending]")?;
    }
    let crowded = scenario.prefixes.iter().all(|(_, weight)| *weight == 0.0);
    expect("prefixes", "only weights of 0", !crowded, "a weight above 0")?;
    Ok(scenario)
}

/// The one form of all complaints.
fn wrong(key: &str, value: impl Display, expected: &str) -> String {
    format!("{key}: {value}, expected {expected}")
}

fn expect(key: &str, value: impl Display, holds: bool, expected: &str) -> Checked<()> {
    if holds { Ok(()) } else { Err(wrong(key, value, expected)) }
}

fn weight(key: &str, value: f64) -> Checked<f64> {
    expect(key, value, value.is_finite() && value >= 0.0, "a weight, 0 or more")?;
    Ok(value)
}

/// How many times as much happens as usual.
fn factor(key: &str, value: f64) -> Checked<f64> {
    expect(key, value, (0.0..=FACTOR_MAX).contains(&value), "a factor from 0 to 1000")?;
    Ok(value)
}

fn share(key: &str, value: f64) -> Checked<f64> {
    expect(key, value, (0.0..=1.0).contains(&value), "a share from 0 to 1")?;
    Ok(value)
}

fn positive(key: &str, value: f64) -> Checked<f64> {
    expect(key, value, value.is_finite() && value > 0.0, "a number above 0")?;
    Ok(value)
}

fn regions(files: &[RegionFile]) -> Checked<Vec<Region>> {
    let mut regions: Vec<Region> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let key = format!("regions[{index}]");
        let length = file.name.chars().count();
        expect(&format!("{key}.name"), length, (1..=100).contains(&length), "1 to 100 characters")?;
        expect(&format!("{key}.name"), &file.name, file.name != "ALL", "a name not reserved")?;
        let has_nul = file.name.contains('\0');
        expect(&format!("{key}.name"), file.name.escape_debug(), !has_nul, "a name without NUL")?;
        let is_new = regions.iter().all(|region| region.name != file.name);
        expect(&format!("{key}.name"), &file.name, is_new, "a name that stands there once")?;
        let weight = weight(&format!("{key}.weight"), file.weight)?;
        regions.push(Region { name: file.name.clone(), weight });
    }
    let total: f64 = regions.iter().map(|region| region.weight).sum();
    expect("regions", total, total > 0.0, "weights whose sum is above 0")?;
    expect("regions", regions.len(), regions.len() <= 256, "256 regions at most")?;
    Ok(regions)
}

fn towers(file: &ScenarioFile) -> Checked<Towers> {
    let is_tower = |id: u32| TOWER_IDS.contains(&id);
    match (&file.towers, &file.movement) {
        (Some(towers), None) => {
            let [first, last] = towers.ids;
            let fits = first <= last && is_tower(first) && is_tower(last);
            let shown = format!("[{first}, {last}]");
            expect("towers.ids", shown, fits, "[FIRST, LAST] within 1000 to 9999")?;
            Ok(Towers::Anywhere(first..=last))
        }
        (None, Some(movement)) => {
            let mut grids = Vec::new();
            for (index, region) in file.regions.iter().enumerate() {
                let key = format!("regions[{index}].grid");
                let grid = region.grid.as_ref().ok_or_else(|| {
                    wrong(&key, "nothing", "a grid of towers, because subscribers move")
                })?;
                grids.push(self::grid(&key, grid)?);
            }
            Ok(Towers::Grids { grids, movement: self::movement(movement)? })
        }
        _ => Err("give either [towers], or [movement] and each region a grid".to_owned()),
    }
}

fn grid(key: &str, file: &GridFile) -> Checked<Grid> {
    let &GridFile { latitude, longitude, first_tower, columns, rows, spacing_km } = file;
    let is_place = (-80.0..=80.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    expect(
        key,
        format!("{latitude}, {longitude}"),
        is_place,
        "a latitude from -80 to 80, a longitude",
    )?;
    let count = u64::from(columns) * u64::from(rows);
    let last = u64::from(first_tower) + count.saturating_sub(1);
    let fits = count > 0 && TOWER_IDS.contains(&first_tower) && last <= u64::from(*TOWER_IDS.end());
    expect(key, format!("towers {first_tower} to {last}"), fits, "towers within 1000 to 9999")?;
    positive(&format!("{key}.spacing_km"), spacing_km)?;
    Ok(Grid { latitude, longitude, first_tower, columns, rows, spacing_km })
}

fn movement(file: &MovementFile) -> Checked<Movement> {
    let [least, most] = file.journey_days;
    let fits = least >= 1 && least <= most && most <= JOURNEY_DAYS_MAX;
    expect(
        "movement.journey_days",
        format!("[{least}, {most}]"),
        fits,
        "[LEAST, MOST] within 1 to 14",
    )?;
    let commute_km = positive("movement.commute_km", file.commute_km)?;
    expect("movement.commute_km", commute_km, commute_km <= 25.0, "25 km at most")?;
    let journeys_per_year = weight("movement.journeys_per_year", file.journeys_per_year)?;
    expect(
        "movement.journeys_per_year",
        journeys_per_year,
        journeys_per_year <= 13.0,
        "13 at most",
    )?;
    Ok(Movement {
        employed_share: share("movement.employed_share", file.employed_share)?,
        commute_km,
        outing_share: share("movement.outing_share", file.outing_share)?,
        journeys_per_year,
        journey_days: (least, most),
    })
}

fn profiles(files: &BTreeMap<String, ProfileFile>) -> Checked<BTreeMap<&str, [[f64; 24]; 7]>> {
    let mut profiles = BTreeMap::new();
    for (name, file) in files {
        let key = format!("profiles.{name}");
        let week = match (file.every_day, file.weekday, file.saturday, file.sunday) {
            (Some(day), None, None, None) => [day; 7],
            (None, Some(weekday), Some(saturday), Some(sunday)) => {
                [weekday, weekday, weekday, weekday, weekday, saturday, sunday]
            }
            _ => {
                let expected = "every_day alone, or weekday, saturday and sunday";
                return Err(wrong(&key, "other days", expected));
            }
        };
        for factor in week.iter().flatten() {
            self::factor(&key, *factor)?;
        }
        profiles.insert(name.as_str(), week);
    }
    Ok(profiles)
}

fn types(
    file: &ScenarioFile,
    profiles: &BTreeMap<&str, [[f64; 24]; 7]>,
    tops_up_by_balance: bool,
) -> Checked<[TypeModel; 4]> {
    let files = [&file.data_session, &file.call, &file.sms, &file.balance_recharge];
    let mut models = Vec::new();
    for (event_type, file) in TYPES.into_iter().zip(files) {
        models.push(type_model(event_type, file, profiles, tops_up_by_balance)?);
    }
    let total: f64 = models.iter().map(|model| model.weight).sum();
    expect("weight", total, total > 0.0, "weights of the types whose sum is above 0")?;
    Ok(models.try_into().expect("as many models as types"))
}

fn type_model(
    event_type: EventType,
    file: &TypeFile,
    profiles: &BTreeMap<&str, [[f64; 24]; 7]>,
    tops_up_by_balance: bool,
) -> Checked<TypeModel> {
    let name = type_name(event_type);
    let of = |key: &str| format!("{name}.{key}");
    let week = profiles.get(file.profile.as_str()).copied();
    let week =
        week.ok_or_else(|| wrong(&of("profile"), &file.profile, "a name under [profiles]"))?;
    let lasts = matches!(event_type, EventType::DataSession | EventType::Call);
    let moves_data = event_type == EventType::DataSession;
    let pays = event_type == EventType::BalanceRecharge && !tops_up_by_balance;
    for (key, given, wanted) in [
        ("duration_seconds", file.duration_seconds.is_some(), lasts),
        ("volume_mb", file.volume_mb.is_some(), moves_data),
        ("tenge", !file.tenge.is_empty(), pays),
    ] {
        let said = if given { "given" } else { "not given" };
        let expected = if wanted { "it for this type" } else { "none for this type" };
        expect(&of(key), said, given == wanted, expected)?;
    }
    if event_type == EventType::BalanceRecharge && tops_up_by_balance {
        expect(&of("weight"), file.weight, file.weight == 0.0, "none: top-ups follow [spending]")?;
    }
    // Readers accept up to 31,622,400 s and 100,000,000 MB.
    let duration =
        distribution(&of("duration_seconds"), file.duration_seconds.as_ref(), 31_622_400)?;
    let volume = distribution(&of("volume_mb"), file.volume_mb.as_ref(), 40_000_000)?;
    let most = file.tenge.iter().max().copied().unwrap_or(0);
    expect(&of("tenge"), most, most <= 1_000_000_000, "1000000000 at most")?;
    let weight = weight(&of("weight"), file.weight)?;
    Ok(TypeModel { weight, week, duration, volume, tenge: file.tenge.clone() })
}

fn distribution(
    key: &str,
    file: Option<&DistributionFile>,
    bound: u32,
) -> Checked<Option<Distribution>> {
    let bounded = |at_most: u32| {
        let expected = format!("1 to {bound}");
        expect(&format!("{key}.at_most"), at_most, (1..=bound).contains(&at_most), &expected)
    };
    let distribution = match file {
        None => return Ok(None),
        Some(DistributionFile::Uniform([least, most])) => {
            bounded(*most)?;
            let shown = format!("[{least}, {most}]");
            expect(&format!("{key}.uniform"), shown, least <= most, "[LEAST, MOST]")?;
            Distribution::Uniform(*least..=*most)
        }
        Some(DistributionFile::LogNormal(file)) => {
            bounded(file.at_most)?;
            let median = positive(&format!("{key}.log_normal.median"), file.median)?;
            let sigma = weight(&format!("{key}.log_normal.sigma"), file.sigma)?;
            Distribution::LogNormal { median, sigma, at_most: file.at_most }
        }
        Some(DistributionFile::LogLogistic(file)) => {
            bounded(file.at_most)?;
            let median = positive(&format!("{key}.log_logistic.median"), file.median)?;
            let shape = positive(&format!("{key}.log_logistic.shape"), file.shape)?;
            let user_sigma = weight(&format!("{key}.log_logistic.user_sigma"), file.user_sigma)?;
            Distribution::LogLogistic { median, shape, user_sigma, at_most: file.at_most }
        }
        Some(DistributionFile::LogNormalMixture(file)) => {
            bounded(file.at_most)?;
            let mut parts = Vec::new();
            for (index, part) in file.parts.iter().enumerate() {
                let key = format!("{key}.log_normal_mixture.parts[{index}]");
                let share = share(&format!("{key}.share"), part.share)?;
                let median = positive(&format!("{key}.median"), part.median)?;
                parts.push((share, median, weight(&format!("{key}.sigma"), part.sigma)?));
            }
            let total: f64 = parts.iter().map(|part| part.0).sum();
            let key = format!("{key}.log_normal_mixture.parts");
            expect(&key, total, (total - 1.0).abs() < 1e-9, "shares whose sum is 1")?;
            Distribution::LogNormalMixture { parts, at_most: file.at_most }
        }
    };
    Ok(Some(distribution))
}

fn activity(file: &ScenarioFile) -> Checked<Activity> {
    let Some(activity) = &file.activity else {
        return Ok(Activity { sigma: 0.0, at_most: 1.0 });
    };
    let sigma = weight("activity.sigma", activity.sigma)?;
    expect("activity.sigma", sigma, sigma <= 2.0, "2 at most")?;
    let at_most = activity.at_most;
    expect("activity.at_most", at_most, (1.0..=1_000.0).contains(&at_most), "from 1 to 1000")?;
    Ok(Activity { sigma, at_most })
}

fn prefixes(files: &BTreeMap<String, f64>) -> Checked<Vec<(u32, f64)>> {
    let prefix = |(digits, share): (&String, &f64)| {
        let key = format!("prefixes.{digits}");
        let is_prefix = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
        expect(&key, digits, is_prefix, "three digits, like 701")?;
        let number = digits.parse().map_err(|_| wrong(&key, digits, "three digits"))?;
        Ok((number, weight(&key, *share)?))
    };
    files.iter().map(prefix).collect()
}

fn contacts(file: &ScenarioFile) -> Checked<Option<Contacts>> {
    let Some(contacts) = &file.contacts else { return Ok(None) };
    let count = u64::from(contacts.inside_region) + u64::from(contacts.outside_region);
    expect("contacts", count, (1..=100).contains(&count), "1 to 100 acquaintances")?;
    Ok(Some(Contacts {
        inside_region: contacts.inside_region,
        outside_region: contacts.outside_region,
        share: share("contacts.share", contacts.share)?,
    }))
}

fn spending(file: &ScenarioFile) -> Checked<Option<Spending>> {
    let Some(spending) = &file.spending else { return Ok(None) };
    let spread = spending.daily_spread;
    expect("spending.daily_spread", spread, (0.0..1.0).contains(&spread), "from 0 to below 1")?;
    let mut steps = Vec::new();
    for (index, step) in spending.steps.iter().enumerate() {
        let key = format!("spending.steps[{index}]");
        let tenge = step.tenge;
        expect(&key, tenge, (1..=1_000_000).contains(&tenge), "1 to 1000000 tenge")?;
        steps.push((tenge, weight(&key, step.weight)?));
    }
    let total: f64 = steps.iter().map(|(_, weight)| weight).sum();
    expect("spending.steps", total, total > 0.0, "weights whose sum is above 0")?;
    let tenge_per_day = positive("spending.tenge_per_day", spending.tenge_per_day)?;
    Ok(Some(Spending { tenge_per_day, daily_spread: spread, steps }))
}

fn holidays(file: &ScenarioFile) -> Checked<Vec<Holiday>> {
    let mut holidays = Vec::new();
    for (index, holiday) in file.holidays.iter().enumerate() {
        let key = format!("holidays[{index}]");
        let like: Weekday = holiday.like.parse().map_err(|_| {
            wrong(&format!("{key}.like"), &holiday.like, "a day of the week, like sunday")
        })?;
        for text in &holiday.dates {
            let date = date(&format!("{key}.dates"), text)?;
            holidays.push(Holiday { name: holiday.name.clone(), date, like });
        }
    }
    Ok(holidays)
}

fn peak(file: &PeakFile) -> Checked<Peak> {
    let key = format!("peaks `{}`", file.name);
    let [from, to] = file.hours;
    let fits = from < to && to <= 24;
    expect(&key, format!("hours [{from}, {to}]"), fits, "[FROM, TO] within 0 to 24")?;
    let factors = [file.data_session, file.call, file.sms, file.balance_recharge];
    let factors = factors.map(|factor| factor.unwrap_or(1.0));
    for factor in factors {
        self::factor(&key, factor)?;
    }
    let date = date(&key, &file.date)?;
    Ok(Peak { name: file.name.clone(), date, hours: from..to, factors })
}

/// Reads MM-DD.
fn date(key: &str, text: &str) -> Checked<(u32, u32)> {
    let parsed = text.split_once('-').and_then(|(month, day)| {
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        // 2024 has a 29 February.
        NaiveDate::from_ymd_opt(2024, month, day).map(|_| (month, day))
    });
    parsed.ok_or_else(|| wrong(key, format!("`{text}`"), "a date of every year, like 01-31"))
}
