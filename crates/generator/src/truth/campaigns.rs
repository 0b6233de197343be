//! Campaigns: more than usual, and nothing to be alarmed at.
//!
//! In: a world and a range of time. Out: a line for each campaign that lies in it, in part at least.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::NaiveDate;
use event_model::{EventTime, MICROS_PER_SECOND};

use super::lines::{self, AnomalyLine, Line, TYPE_NAMES};
use crate::curve::date_of;
use crate::scenario::TimeSpan;
use crate::weather::Skies;
use crate::world::World;

/// Of those whom no detector should report.
const LABEL: &str = "normal";

/// Writes the campaigns of a range; `added` has the events of each by local date and region.
pub(super) fn tell(
    world: &World,
    range: &TimeSpan,
    added: &BTreeMap<(NaiveDate, usize), u64>,
    writer: &mut impl Write,
) -> io::Result<()> {
    let Some(weather) = &world.scenario.weather else { return Ok(()) };
    let skies = Skies { weather, streams: world.streams };
    let micros = |second: i64| EventTime::from_micros(second * MICROS_PER_SECOND);
    for day in world.local_days(range) {
        let offset = world.offset_at_noon(day);
        for (region, found) in world.scenario.regions.iter().enumerate() {
            let Some(campaign) = skies.campaign(region, day, offset) else { continue };
            let (from, to) = (micros(campaign.span.start), micros(campaign.span.end));
            if from >= range.end || to <= range.start {
                continue;
            }
            let line = AnomalyLine {
                label: LABEL,
                name: "campaign",
                from: from.to_string(),
                to: to.to_string(),
                region: Some(&found.name),
                event_type: Some(TYPE_NAMES[campaign.type_index]),
                subscribers: None,
                magnitude: campaign.factor,
                added: added.get(&(date_of(day), region)).copied().unwrap_or(0),
                removed: 0,
            };
            lines::write(writer, &Line::Anomaly(line))?;
        }
    }
    Ok(())
}
