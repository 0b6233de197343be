//! Whether the parts that make a world are possible.
//!
//! In: the tables of a file that name them. Out: the parts, or one sentence of complaint.

use super::super::Scenario;
use super::super::file::ScenarioFile;
use super::super::world::{Fraud, FraudKind, Lives, Pairs, Role, RoleShare, Variant, Weather};
use super::faults::span;
use super::{Checked, SUBSCRIBERS_MAX, expect, share, weight, wrong};

/// Conversations end: their length is a geometric number with this probability of going on at most.
const AGAIN_MAX: f64 = 0.8;
/// Most people with one role, or of one fraud, relative to the others.
const ACTORS_MAX: f64 = 0.1;
/// Greatest coefficient of variation: what is beyond it is no weather.
const CV_MAX: f64 = 0.5;
/// Most frauds: the truth keeps each apart.
const FRAUDS_MAX: usize = 200;

/// Who talks with whom.
pub(super) fn pairs(file: &ScenarioFile) -> Checked<Option<Pairs>> {
    let Some(pairs) = &file.pairs else { return Ok(None) };
    let again = |key: &str, value: f64| -> Checked<f64> {
        let fits = (0.0..=AGAIN_MAX).contains(&value);
        expect(&format!("pairs.{key}"), value, fits, "a probability from 0 to 0.8")?;
        Ok(value)
    };
    let initiative_sigma = weight("pairs.initiative_sigma", pairs.initiative_sigma)?;
    expect("pairs.initiative_sigma", initiative_sigma, initiative_sigma <= 2.0, "2 at most")?;
    Ok(Some(Pairs {
        other_networks: share("pairs.other_networks", pairs.other_networks)?,
        unanswered: share("pairs.unanswered", pairs.unanswered)?,
        initiative_sigma,
        call_again: again("call_again", pairs.call_again)?,
        message_again: again("message_again", pairs.message_again)?,
        favourite: share("pairs.favourite", pairs.favourite)?,
    }))
}

/// Who looks like a fraud.
pub(super) fn roles(file: &ScenarioFile) -> Checked<Vec<RoleShare>> {
    let mut roles = Vec::new();
    for (index, role) in file.roles.iter().enumerate() {
        let key = format!("roles[{index}]");
        needs_places(&key, file)?;
        let share = share_of_people(&key, role.share)?;
        roles.push(RoleShare {
            role: named(&format!("{key}.role"), &Role::ALL, &role.role)?,
            share,
        });
    }
    Ok(roles)
}

pub(super) fn frauds(file: &ScenarioFile) -> Checked<Vec<Fraud>> {
    let most = format!("{FRAUDS_MAX} at most");
    expect("frauds", file.frauds.len(), file.frauds.len() <= FRAUDS_MAX, &most)?;
    let mut frauds = Vec::new();
    for (index, fraud) in file.frauds.iter().enumerate() {
        let key = format!("frauds[{index}]");
        needs_places(&key, file)?;
        let span = match (&fraud.from, &fraud.to) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(span(&key, from, to)?),
            _ => return Err(wrong(&key, "from or to alone", "both, or neither for always")),
        };
        frauds.push(Fraud {
            kind: named(&format!("{key}.kind"), &FraudKind::ALL, &fraud.kind)?,
            variant: named(&format!("{key}.variant"), &Variant::ALL, &fraud.variant)?,
            share: share_of_people(&key, fraud.share)?,
            span,
        });
    }
    Ok(frauds)
}

/// How traffic wanders.
pub(super) fn weather(file: &ScenarioFile) -> Checked<Option<Weather>> {
    let Some(weather) = &file.weather else { return Ok(None) };
    needs_places("weather", file)?;
    let cv = |key: &str, value: f64| -> Checked<f64> {
        let fits = (0.0..=CV_MAX).contains(&value);
        expect(&format!("weather.{key}"), value, fits, "a coefficient of variation from 0 to 0.5")?;
        Ok(value)
    };
    let hours = weather.hours;
    expect("weather.hours", hours, (1.0..=3.0).contains(&hours), "from 1 to 3")?;
    let often = weather.campaigns_per_week;
    expect("weather.campaigns_per_week", often, (0.0..=7.0).contains(&often), "from 0 to 7")?;
    let [least, most] = weather.campaign_factors.unwrap_or([1.0, 1.0]);
    let fits = 1.0 <= least && least <= most && most <= 10.0;
    let shown = format!("[{least}, {most}]");
    expect("weather.campaign_factors", shown, fits, "[LEAST, MOST] within 1 to 10")?;
    Ok(Some(Weather {
        cv: cv("cv", weather.cv)?,
        hours,
        daily_cv: cv("daily_cv", weather.daily_cv)?,
        campaigns_per_week: often,
        campaign_factors: (least, most),
    }))
}

/// How people come and go.
pub(super) fn lives(file: &ScenarioFile) -> Checked<Option<Lives>> {
    let Some(lives) = &file.lives else { return Ok(None) };
    let leaving = lives.leaving_per_month;
    let fits = (0.001..=0.1).contains(&leaving);
    expect("lives.leaving_per_month", leaving, fits, "a share from 0.001 to 0.1")?;
    let abrupt = weight("lives.abrupt", lives.abrupt)?;
    let decay = weight("lives.decay", lives.decay)?;
    let second_sim = weight("lives.second_sim", lives.second_sim)?;
    let total = abrupt + decay + second_sim;
    expect("lives", total, total > 0.0, "weights of abrupt, decay and second_sim above 0")?;
    let holidays_per_year = weight("lives.holidays_per_year", lives.holidays_per_year)?;
    let slumps_per_year = weight("lives.slumps_per_year", lives.slumps_per_year)?;
    let dips = holidays_per_year + slumps_per_year;
    expect("lives", dips, dips <= 4.0, "4 holidays and slumps a year at most, together")?;
    Ok(Some(Lives {
        leaving_per_month: leaving,
        abrupt,
        decay,
        second_sim,
        holidays_per_year,
        slumps_per_year,
    }))
}

/// All subscribers have numbers of their own.
pub(super) fn everybody_has_a_number(scenario: &Scenario) -> Checked<()> {
    let all = u64::from(scenario.subscribers) + scenario.extra_subscribers();
    let expected = format!("{SUBSCRIBERS_MAX} at most with [[roles]] and [[frauds]]");
    expect("subscribers", all, all <= u64::from(SUBSCRIBERS_MAX), &expected)
}

fn needs_places(key: &str, file: &ScenarioFile) -> Checked<()> {
    let has_places = file.movement.is_some();
    expect(
        key,
        "no [movement]",
        has_places,
        "[movement] and each region a grid: it is about people who live somewhere",
    )
}

fn share_of_people(key: &str, value: f64) -> Checked<f64> {
    let fits = (0.0..=ACTORS_MAX).contains(&value);
    expect(&format!("{key}.share"), value, fits, "a share from 0 to 0.1")?;
    Ok(value)
}

fn named<T: Copy>(key: &str, all: &[(&str, T)], name: &str) -> Checked<T> {
    let known = all.iter().find(|(known, _)| *known == name).map(|(_, item)| *item);
    known.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        wrong(key, format!("`{name}`"), &format!("one of {}", names.join(", ")))
    })
}
