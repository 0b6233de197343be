//! The table of a scoring, in Markdown, and the goals.

use std::fmt::Write;

use churn::metrics::calibration_error;

use crate::forecast::Outcome;

/// What is collected over the seeds.
#[derive(Default)]
pub(crate) struct Report {
    seeds: Vec<Seed>,
    probabilities: Vec<f64>,
    leaves: Vec<bool>,
}

/// One of a seed's figures.
type Figure = fn(&Seed) -> f64;

struct Seed {
    above_recency: f64,
    of_gap: f64,
    lift: f64,
}

impl Report {
    /// The table's head.
    pub(crate) const HEAD: &str = "\
| seed | asked about | leave | recency | hidden phase | forecast | of the gap | lift | calibration | told by folds | naive label: forecast, recency |
|---|---|---|---|---|---|---|---|---|---|---|";

    /// Takes a world's outcome in; returns its line.
    pub(crate) fn add(&mut self, number: u64, outcome: &Outcome) -> String {
        let metrics = &outcome.metrics;
        let above_recency = metrics.auc - metrics.recency_auc;
        let of_gap = above_recency / (outcome.oracle_auc - metrics.recency_auc);
        self.seeds.push(Seed { above_recency, of_gap, lift: metrics.top_decile_lift });
        self.probabilities.extend(&outcome.probabilities);
        self.leaves.extend(&outcome.asked.leaves);
        format!(
            "| {number} | {} | {} | {:.3} | {:.3} | {:.3} | {of_gap:.2} | {:.2} | {:.4} | {:.3} | {:.3}, {:.3} |",
            metrics.population,
            metrics.positives,
            metrics.recency_auc,
            outcome.oracle_auc,
            metrics.auc,
            metrics.top_decile_lift,
            metrics.calibration_error,
            outcome.trained.metrics.auc,
            metrics.naive_auc,
            metrics.naive_recency_auc,
        )
    }

    /// The goals over all seeds, and whether they are met.
    pub(crate) fn goals(&self) -> String {
        let least = |of: Figure| self.seeds.iter().map(of).fold(f64::INFINITY, f64::min);
        let mean =
            |of: Figure| self.seeds.iter().map(of).sum::<f64>() / self.seeds.len().max(1) as f64;
        let error = calibration_error(&self.probabilities, &self.leaves).unwrap_or(1.0);
        let mut text =
            "\n| goal | bound | mean | worst seed | |\n|---|---|---|---|---|\n".to_owned();
        let goals: [(&str, f64, Figure); 3] = [
            ("AUC above that of recency", 0.08, |seed| seed.above_recency),
            ("of the gap between recency and the hidden phase", 0.3, |seed| seed.of_gap),
            ("lift of the top tenth", 2.0, |seed| seed.lift),
        ];
        for (goal, bound, of) in goals {
            let verdict = if least(of) >= bound { "met" } else { "missed" };
            let (mean, least) = (mean(of), least(of));
            writeln!(text, "| {goal} | ≥ {bound} | {mean:.3} | {least:.3} | {verdict} |")
                .expect("writing to a string can't fail");
        }
        let verdict = if error <= 0.005 { "met" } else { "missed" };
        writeln!(
            text,
            "| calibration error, all seeds together | ≤ 0.005 | {error:.4} | | {verdict} |"
        )
        .expect("writing to a string can't fail");
        text
    }
}
