//! /live.json: what the page shows. Fields are only ever added.
//!
//! ```text
//!   version              1
//!   looked_at            RFC 3339; the process's clock. null: there was no look yet
//!   looked_seconds_ago   how old everything below is
//!   status               as `streamer status --json`, docs/status.md
//!   rates                over_seconds, arriving_per_second, stored_per_second; null: not known yet
//!   figures              null: not known; then `figures_missing_because`
//!     newest_window      start of the newest minute; null: there is none
//!     cells              the newest `cell_minutes`: region, event_type, events
//!     minutes            the newest hour: window_start, events
//!     day                the business day of the newest minute: date, zone, events, seconds, data_mb,
//!                        amount, late_events
//!   detection            null: no detector has ever run
//!     judged_through     every window that ends by then has been judged
//!     series_judged, series_small, series_warming_up
//!                        regions and types of the last window: judged, too small to, not known for long enough
//!     open               what is unusual, the worst first, 100 at most: region (ALL: the whole country),
//!                        event_type, measure (events, minutes, megabytes, tenge), direction (high, low),
//!                        since, worst_events, expected_events (both in the unit of measure), score, and
//!                        also_moved: region, event_type, measure, observed, expected
//!   zone                 the business time zone, a name of the tz database; null: not known
//!   day_look             rises when /day.json (last_day.rs) has something new; 0: there was no look yet
//!   day_missing_because  why the last such look has failed
//!   fraud                null: there are no rules, or no right to see this
//!     open_cases         of rules in live mode, by rule: rule, open; 100 rules at most
//!     cases              the newest 50: case, rule, subscriber, alerts, hits, first_hit, updated_at, measures ([[value,
//!                        at_least or at_most, threshold], …]). null: the streamer's user has not the role pipeline_fraud
//!   links                where longer ranges are: grafana, superset; null: not given
//! ```

use anomaly::Moved;
use chrono::DateTime;
use program::seconds_since_1970 as now;
use serde::Serialize;
use serde_json::Value;

use super::args::LinkArgs;
use super::cases::{Cases, OpenCase};
use super::figures::{CELL_MINUTES, LiveFigures};
use super::snapshot::{Detection, Rates, Snapshot};
use super::sums::Sums;
use crate::detect::passes::DetectorProgress;
use crate::status::{Document, document, instant};

/// Raised when a field changes its meaning or goes.
const VERSION: u32 = 1;

#[derive(Default, Serialize)]
struct Live<'a> {
    version: u32,
    looked_at: Option<String>,
    looked_seconds_ago: Option<f64>,
    status: Option<Document<'a>>,
    rates: Option<RatesPart>,
    figures: Option<Figures<'a>>,
    figures_missing_because: Option<&'a str>,
    detection: Option<DetectionPart<'a>>,
    zone: Option<&'static str>,
    day_look: u64,
    day_missing_because: Option<&'a str>,
    fraud: Option<FraudPart<'a>>,
    links: LinksPart<'a>,
}

#[derive(Default, Serialize)]
struct LinksPart<'a> {
    grafana: Option<&'a str>,
    superset: Option<&'a str>,
}

#[derive(Serialize)]
struct FraudPart<'a> {
    open_cases: Vec<RulePart<'a>>,
    cases: Option<Vec<CasePart<'a>>>,
}

#[derive(Serialize)]
struct RulePart<'a> {
    rule: &'a str,
    open: i64,
}

#[derive(Serialize)]
struct CasePart<'a> {
    case: i64,
    rule: &'a str,
    subscriber: &'a str,
    alerts: i64,
    hits: i64,
    first_hit: Option<String>,
    updated_at: Option<String>,
    measures: &'a Value,
}

#[derive(Serialize)]
struct DetectionPart<'a> {
    judged_through: Option<String>,
    series_judged: i32,
    series_small: i32,
    series_warming_up: i32,
    open: Vec<Open<'a>>,
}

#[derive(Serialize)]
struct Open<'a> {
    region: &'a str,
    event_type: &'a str,
    measure: &'static str,
    direction: &'static str,
    since: Option<String>,
    worst_events: u64,
    expected_events: f64,
    score: f64,
    also_moved: &'a [Moved],
}

#[derive(Serialize)]
struct RatesPart {
    over_seconds: f64,
    arriving_per_second: f64,
    stored_per_second: f64,
}

#[derive(Serialize)]
struct Figures<'a> {
    newest_window: Option<String>,
    cell_minutes: i64,
    cells: Vec<Cell<'a>>,
    minutes: Vec<Minute>,
    day: Option<Day>,
}

#[derive(Serialize)]
struct Cell<'a> {
    region: &'a str,
    event_type: &'a str,
    events: i64,
}

#[derive(Serialize)]
struct Minute {
    window_start: Option<String>,
    events: i64,
}

#[derive(Serialize)]
struct Day {
    date: String,
    zone: &'static str,
    events: i64,
    #[serde(flatten)]
    figures: Sums,
    late_events: i64,
}

/// The document of the latest look.
pub(super) fn render(latest: Option<&Snapshot>, links: &LinkArgs) -> Vec<u8> {
    let mut live = match latest {
        None => Live { version: VERSION, ..Live::default() },
        Some(snapshot) => live(snapshot),
    };
    let LinkArgs { grafana_url, superset_url } = links;
    live.links = LinksPart { grafana: grafana_url.as_deref(), superset: superset_url.as_deref() };
    serde_json::to_vec(&live).expect("text, numbers and lists become JSON always")
}

fn live(snapshot: &Snapshot) -> Live<'_> {
    let looked_at = DateTime::from_timestamp_micros((snapshot.looked_at * 1e6) as i64);
    Live {
        version: VERSION,
        looked_at: instant(looked_at.map(|at| at.naive_utc())),
        looked_seconds_ago: Some((now() - snapshot.looked_at).max(0.0)),
        status: Some(document(&snapshot.report)),
        rates: snapshot.rates.map(rates),
        figures: snapshot.figures.as_ref().ok().map(figures),
        figures_missing_because: snapshot.figures.as_ref().err().map(String::as_str),
        detection: snapshot.detection.as_ref().map(detection),
        zone: snapshot
            .figures
            .as_ref()
            .ok()
            .map(|figures| figures.settings.business_timezone.name()),
        day_look: snapshot.day.number,
        day_missing_because: snapshot.day.missing_because.as_deref(),
        fraud: snapshot.cases.as_deref().map(fraud),
        links: LinksPart::default(),
    }
}

fn fraud(cases: &Cases) -> FraudPart<'_> {
    let by_rule = cases.by_rule.iter();
    let open_cases = by_rule.map(|of| RulePart { rule: &of.rule, open: of.open }).collect();
    let cases = cases.newest.as_ref().map(|newest| newest.iter().map(case).collect());
    FraudPart { open_cases, cases }
}

fn case(case: &OpenCase) -> CasePart<'_> {
    CasePart {
        case: case.id,
        rule: &case.rule,
        subscriber: &case.subscriber_id,
        alerts: case.alerts,
        hits: case.hits,
        first_hit: instant(Some(case.first_hit)),
        updated_at: instant(Some(case.updated_at)),
        measures: &case.measures,
    }
}

fn detection(detection: &Detection) -> DetectionPart<'_> {
    let DetectorProgress { judged_through, series_judged, series_small, series_warming_up, .. } =
        detection.progress;
    let open = detection.open.iter().map(|incident| Open {
        region: &incident.series.region,
        event_type: &incident.series.event_type,
        measure: incident.measure.name(),
        direction: incident.direction.name(),
        since: instant(Some(incident.first.start())),
        worst_events: incident.peak.observed,
        expected_events: incident.peak.expected,
        score: incident.peak.score,
        also_moved: &incident.moved,
    });
    let judged_through = instant(Some(judged_through));
    let open = open.collect();
    DetectionPart { judged_through, series_judged, series_small, series_warming_up, open }
}

fn rates(rates: Rates) -> RatesPart {
    let Rates { over_seconds, arriving_per_second, stored_per_second } = rates;
    RatesPart { over_seconds, arriving_per_second, stored_per_second }
}

fn figures(figures: &LiveFigures) -> Figures<'_> {
    Figures {
        newest_window: instant(figures.newest_window),
        cell_minutes: CELL_MINUTES,
        cells: figures
            .cells
            .iter()
            .map(|cell| Cell {
                region: &cell.region,
                event_type: &cell.event_type,
                events: cell.events,
            })
            .collect(),
        minutes: figures
            .minutes
            .iter()
            .map(|minute| Minute {
                window_start: instant(Some(minute.window_start)),
                events: minute.events,
            })
            .collect(),
        day: figures.day.as_ref().map(|live| Day {
            date: live.day.date().to_string(),
            zone: live.day.zone().name(),
            events: live.sums.events,
            figures: live.sums.figures,
            late_events: live.sums.late_events,
        }),
    }
}
