//! Training: from questions whose outcome is known to a model, and how good it is on people whom it was not trained with.
//!
//! In: [`Gatherer`]s of days whose 63 days of outcome have passed. Out: a [`Trained`], or a [`Refusal`]. Keeps C-2: no step depends on chance,
//! on the order of rows or on threads.
//!
//! The population is divided into five folds by subscriber. For each a model is trained on the other four, and asked about the fold. From
//! these answers follow the calibration and all metrics; the model that is kept is trained on all.

use indexmap::IndexMap;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::day::lot;
use crate::features::{self, Feature};
use crate::gather::{Gatherer, Longest, Person};
use crate::metrics::{auc, calibration_error, top_decile_lift};
use crate::model::{Coefficient, Model, sigmoid};

/// From fewer who left nothing is learnt.
const POSITIVES_LEAST: usize = 200;
/// L2 penalty: half of it times the sum of squared weights is added to the sum of losses. Chosen on seeds of the generator other than those
/// that are scored; from a third to three times of it makes no difference to speak of.
const PENALTY: f64 = 100.0;
const FOLDS: u64 = 5;
const ITERATIONS_MAX: u64 = 1_000;
/// The search ends where the gradient of the mean loss is shorter than this.
const GRADIENT_PER_ROW: f64 = 1e-6;

/// A population with features and outcomes: one or several questions' rows below each other.
#[derive(Clone, Debug)]
pub struct Cohort {
    longest: Longest,
    /// Of each row whose it is, by lot.
    lots: Vec<u64>,
    /// Rows of features.
    values: Vec<f64>,
    /// Whether they leave.
    pub leaves: Vec<bool>,
    /// Whether they are silent at once: the naive label.
    pub silent: Vec<bool>,
    /// Days since they were heard of.
    pub recency: Vec<f64>,
}

impl Cohort {
    /// An empty one.
    pub fn new(longest: Longest) -> Self {
        Cohort {
            longest,
            lots: Vec::new(),
            values: Vec::new(),
            leaves: Vec::new(),
            silent: Vec::new(),
            recency: Vec::new(),
        }
    }

    /// Adds the population of a question, which looks back as far as the cohort.
    pub fn add(&mut self, gatherer: Gatherer) {
        let people = gatherer.into_population();
        self.add_people(&people);
    }

    /// Adds a row for each of the people: the features, and whether they left.
    pub fn add_people(&mut self, people: &IndexMap<Box<str>, Person>) {
        for (subscriber, person) in people {
            self.lots.push(lot(subscriber));
            features::append(person, self.longest, &mut self.values);
            self.leaves.push(person.ahead.leaves());
            self.silent.push(person.ahead.is_silent_at_once());
            self.recency.push(f64::from(person.behind.recency()));
        }
    }

    /// Number of rows, one for each subscriber.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The features of a row.
    pub fn row(&self, index: usize) -> &[f64] {
        let width = self.values.len() / self.len().max(1);
        &self.values[index * width..][..width]
    }

    fn positives(&self) -> usize {
        self.leaves.iter().filter(|leaves| **leaves).count()
    }
}

/// What a model is worth on people whom it was not trained with. Each of the first rows is a probability or a ratio without unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// How many were asked about.
    pub population: usize,
    /// How many left.
    pub positives: usize,
    /// Area under the curve.
    pub auc: f64,
    /// The same of the days since somebody was heard of, alone.
    pub recency_auc: f64,
    /// The same score under the naive label, silent in the next 30 days …
    pub naive_auc: f64,
    /// … and recency under it: what the naive label mostly measures.
    pub naive_recency_auc: f64,
    /// How much likelier those of the highest tenth are to leave.
    pub top_decile_lift: f64,
    /// How far probabilities are from shares.
    pub calibration_error: f64,
}

/// A model and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Coefficients from all rows.
    pub model: Model,
    /// What models from some of the rows are worth on the others.
    pub metrics: Metrics,
}

/// Trains a model.
///
/// # Errors
/// [`Refusal::TooFewPositives`], [`Refusal::NotConverged`].
pub fn train(cohort: &Cohort) -> Result<Trained, Refusal> {
    let (positives, population) = (cohort.positives(), cohort.len());
    if positives < POSITIVES_LEAST || positives == population {
        return Err(Refusal::TooFewPositives { positives, population, least: POSITIVES_LEAST });
    }
    let mut answers = vec![0.0; population];
    for fold in 0..FOLDS {
        // The low bits of a lot are its weakest.
        let is_in = |index: &usize| (cohort.lots[*index] >> 20) % FOLDS == fold;
        let others: Vec<usize> = (0..population).filter(|index| !is_in(index)).collect();
        let model = fit(cohort, &others)?;
        for index in (0..population).filter(is_in) {
            answers[index] = model.log_odds(cohort.row(index));
        }
    }
    let all: Vec<usize> = (0..population).collect();
    let mut model = fit(cohort, &all)?;
    (model.slope, model.shift) = calibration(&answers, &cohort.leaves)?;
    let told = |log_odds: &f64| sigmoid(model.slope * log_odds + model.shift);
    let probabilities: Vec<f64> = answers.iter().map(told).collect();
    let metrics = Metrics::of(&probabilities, cohort);
    Ok(Trained { model, metrics })
}

impl Metrics {
    /// Of a cohort for whom these probabilities were told. An area that has no meaning, because nobody has left, is 0.5.
    pub fn of(probabilities: &[f64], cohort: &Cohort) -> Self {
        let area = |scores: &[f64], labels: &[bool]| auc(scores, labels).unwrap_or(0.5);
        Metrics {
            population: cohort.len(),
            positives: cohort.positives(),
            auc: area(probabilities, &cohort.leaves),
            recency_auc: area(&cohort.recency, &cohort.leaves),
            naive_auc: area(probabilities, &cohort.silent),
            naive_recency_auc: area(&cohort.recency, &cohort.silent),
            top_decile_lift: top_decile_lift(probabilities, &cohort.leaves).unwrap_or(1.0),
            calibration_error: calibration_error(probabilities, &cohort.leaves).unwrap_or(0.0),
        }
    }
}

/// A model of these rows, not calibrated.
fn fit(cohort: &Cohort, rows: &[usize]) -> Result<Model, Refusal> {
    let list = features::list(cohort.longest);
    let flat: Vec<f64> = rows.iter().flat_map(|row| cohort.row(*row)).copied().collect();
    let mut matrix = Array2::from_shape_vec((rows.len(), list.len()), flat)
        .map_err(|error| Refusal::NotConverged { cause: error.to_string() })?;
    let scales = standardize(&mut matrix);
    let leaves = rows.iter().map(|row| cohort.leaves[*row]).collect();
    let (weights, intercept) = regression(matrix, leaves, PENALTY)?;
    let coefficients = list.into_iter().map(Feature::name).zip(scales).zip(weights);
    Ok(Model {
        longest_days: cohort.longest.days(),
        coefficients: coefficients
            .map(|((feature, (mean, deviation)), weight)| Coefficient {
                feature,
                mean,
                deviation,
                weight,
            })
            .collect(),
        intercept,
        slope: 1.0,
        shift: 0.0,
    })
}

/// Makes every column's mean 0 and its standard deviation 1; returns what they were. A column that does not vary becomes 0.
fn standardize(matrix: &mut Array2<f64>) -> Vec<(f64, f64)> {
    let rows = matrix.nrows() as f64;
    let mut scales = Vec::new();
    for mut column in matrix.axis_iter_mut(Axis(1)) {
        let mean = column.sum() / rows;
        let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
        let deviation = if variance > 1e-18 { variance.sqrt() } else { 1.0 };
        column.mapv_inplace(|value| (value - mean) / deviation);
        scales.push((mean, deviation));
    }
    scales
}

/// Slope and shift by which log-odds become those of the shares that leave: a regression on one number.
fn calibration(log_odds: &[f64], leaves: &[bool]) -> Result<(f64, f64), Refusal> {
    let column = Array2::from_shape_vec((log_odds.len(), 1), log_odds.to_vec())
        .map_err(|error| Refusal::NotConverged { cause: error.to_string() })?;
    let (weights, shift) = regression(column, leaves.to_vec(), 0.0)?;
    Ok((weights[0], shift))
}

/// Weights and intercept, which is not penalised.
fn regression(
    matrix: Array2<f64>,
    leaves: Vec<bool>,
    penalty: f64,
) -> Result<(Vec<f64>, f64), Refusal> {
    let not_converged = |cause: String| Refusal::NotConverged { cause };
    let rows = leaves.len() as f64;
    let set = DatasetBase::new(matrix, Array1::from_vec(leaves));
    let fitted = LogisticRegression::default()
        .alpha(penalty)
        .max_iterations(ITERATIONS_MAX)
        .gradient_tolerance(GRADIENT_PER_ROW * rows / 10.0)
        .fit(&set)
        .map_err(|error| not_converged(error.to_string()))?;
    // Its positive class is the more frequent one, whichever that is.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let weights: Vec<f64> = fitted.params().iter().map(|weight| weight * sign).collect();
    let intercept = fitted.intercept() * sign;
    // The library does not say whether it had come to an end, so its answer is checked.
    let leaves = set.targets.as_slice().unwrap_or(&[]);
    let gradient = gradient(set.records.view(), leaves, &weights, intercept, penalty) / rows;
    if gradient.is_nan() || gradient > GRADIENT_PER_ROW {
        return Err(not_converged(format!("a gradient of {gradient:e} a row is left")));
    }
    Ok((weights, intercept))
}

/// The length of the gradient of the penalised loss.
fn gradient(
    matrix: ArrayView2<'_, f64>,
    leaves: &[bool],
    weights: &[f64],
    intercept: f64,
    penalty: f64,
) -> f64 {
    let mut by_weight: Vec<f64> = weights.iter().map(|weight| weight * penalty).collect();
    let mut by_intercept = 0.0;
    for (row, leaves) in matrix.outer_iter().zip(leaves) {
        let log_odds: f64 = intercept + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
        let error = sigmoid(log_odds) - f64::from(u8::from(*leaves));
        by_intercept += error;
        by_weight.iter_mut().zip(row).for_each(|(sum, value)| *sum += error * value);
    }
    let squares = by_weight.iter().map(|sum| sum * sum).sum::<f64>() + by_intercept.powi(2);
    squares.sqrt()
}
