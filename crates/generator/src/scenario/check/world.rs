//! Whether the parts that make a world are possible.
//!
//! In: the tables of a file that name them. Out: the parts, or one sentence of complaint.

use super::super::file::ScenarioFile;
use super::super::world::Pairs;
use super::{Checked, expect, share, weight};

/// Conversations end: their length is a geometric number with this probability of going on at most.
const AGAIN_MAX: f64 = 0.8;

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
