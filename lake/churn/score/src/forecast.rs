//! One world's forecast: trained on the questions whose outcome was known on a day, and asked about that day.
//!
//! ```text
//!   day 0 ───── 60 ─── T₀ = 61 ────── outcome of T₀ ────── T = 124 ────── outcome of T ────── 187
//!          features of T₀ │                                  │ trained and asked here
//! ```

use anyhow::Result;
use chrono::Days;
use churn::gather::{Gatherer, Longest, Sample};
use churn::metrics::auc;
use churn::outcome::OUTCOME_DAYS;
use churn::{Cohort, Metrics, Trained, period, train};

use crate::world::{World, first, name};

/// The day of the question.
pub(crate) const QUESTION: u32 = 124;
/// Days of a world that is scored.
pub(crate) const DAYS: u32 = QUESTION + OUTCOME_DAYS;
/// All features.
const LONGEST: Longest = Longest::Days60;
/// What recency alone may reach: in an easier world whoever leaves is silent already.
const RECENCY_MOST: f64 = 0.70;
/// What knowing the hidden phase reaches, in a world that is neither easier nor more hopeless than the ones that are meant.
const ORACLE: std::ops::RangeInclusive<f64> = 0.78..=0.88;

/// What came of a world.
pub(crate) struct Outcome {
    /// The training's cohort, and the one that is asked about.
    pub(crate) trained_on: Cohort,
    pub(crate) asked: Cohort,
    pub(crate) trained: Trained,
    pub(crate) probabilities: Vec<f64>,
    /// On the cohort that is asked about.
    pub(crate) metrics: Metrics,
    /// What knowing the hidden phase reaches.
    pub(crate) oracle_auc: f64,
}

/// Trains and asks.
///
/// # Errors
/// A refusal of the training, or a world that is not fit for scores.
pub(crate) fn forecast(world: &World) -> Result<Outcome> {
    let as_of = first() + Days::new(u64::from(QUESTION));
    let mut trained_on = Cohort::new(LONGEST);
    let question = period::candidates(as_of)[0];
    let day = u32::try_from((question - first()).num_days())?;
    // Of days from T on nothing is shown to the training.
    trained_on.add(gather(world, day, QUESTION));
    let trained = train(&trained_on)?;
    let (asked, oracle_auc) = ask(world, QUESTION)?;
    let told = |row: usize| trained.model.probability(asked.row(row));
    let probabilities: Vec<f64> = (0..asked.len()).map(told).collect();
    let metrics = Metrics::of(&probabilities, &asked);
    judge(metrics.recency_auc, oracle_auc)?;
    Ok(Outcome { trained_on, asked, trained, probabilities, metrics, oracle_auc })
}

/// The cohort of a question with its outcome, and what knowing the hidden phase reaches in it.
pub(crate) fn ask(world: &World, question: u32) -> Result<(Cohort, f64)> {
    let people = gather(world, question, question + OUTCOME_DAYS).into_population();
    let mut cohort = Cohort::new(LONGEST);
    cohort.add_people(&people);
    let day = i64::from(question);
    let in_phase = world.leaves.iter().filter(|(_, from, to)| (*from..*to).contains(&day));
    let in_phase: std::collections::HashSet<String> =
        in_phase.map(|(who, ..)| name(*who)).collect();
    let known: Vec<f64> =
        people.keys().map(|who| f64::from(u8::from(in_phase.contains(&**who)))).collect();
    let oracle = auc(&known, &cohort.leaves);
    Ok((cohort, oracle.ok_or_else(|| anyhow::anyhow!("nobody leaves"))?))
}

/// What is gathered for a question from the days before `end`.
fn gather(world: &World, question: u32, end: u32) -> Gatherer {
    let as_of = first() + Days::new(u64::from(question));
    let mut gatherer = Gatherer::new(as_of, LONGEST, Sample::ALL, 0);
    for (who, day, deeds) in world.rows.iter().filter(|(_, day, _)| *day < end) {
        gatherer.add(first() + Days::new(u64::from(*day)), &name(*who), deeds);
    }
    gatherer
}

/// Whether a world is worth a score.
pub(crate) fn judge(recency_auc: f64, oracle_auc: f64) -> Result<()> {
    anyhow::ensure!(
        recency_auc <= RECENCY_MOST,
        "this world is too easy: the days since the last event alone reach {recency_auc:.3}, more than {RECENCY_MOST}"
    );
    anyhow::ensure!(
        ORACLE.contains(&oracle_auc),
        "this world is too {}: who knows the hidden phase reaches {oracle_auc:.3}, and {} to {} are meant",
        if oracle_auc > *ORACLE.end() { "easy" } else { "hopeless" },
        ORACLE.start(),
        ORACLE.end(),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Size;

    #[test]
    fn the_scenarios_world_is_neither_too_easy_nor_hopeless() {
        let size = Size { subscribers: 4_000, days: 8 + OUTCOME_DAYS };
        let world = World::draw(23, size).unwrap();
        let (cohort, oracle) = ask(&world, 8).unwrap();
        let recency = auc(&cohort.recency, &cohort.leaves).unwrap();
        judge(recency, oracle).unwrap();
        let leave = cohort.leaves.iter().filter(|leaves| **leaves).count();
        let share = leave as f64 / cohort.len() as f64;
        assert!((0.02..0.05).contains(&share), "{leave} of {} leave", cohort.len());
    }

    #[test]
    fn a_world_outside_the_bounds_is_refused() {
        for (recency, oracle, word) in [
            (0.5, 0.83, None),
            (0.70, 0.78, None),
            (0.71, 0.83, Some("too easy")),
            (0.5, 0.89, Some("too easy")),
            (0.5, 0.77, Some("too hopeless")),
        ] {
            let error = judge(recency, oracle).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), word.is_some(), "{recency}, {oracle}");
            assert!(error.is_none_or(|error| error.contains(word.unwrap())));
        }
    }
}
