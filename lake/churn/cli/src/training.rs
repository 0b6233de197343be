//! `churn train`: rows through gathering and training into a row of churn_models, or a refusal and no row.

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate};
use churn::gather::{Gatherer, Longest, Sample};
use churn::{Cohort, Continuity, Metrics, Trained, period};
use sqlx::types::Json;
use store::PgConnection;

use crate::config::{Config, TrainArgs};
use crate::{database, rows};

/// A model learns from so many subscribers at most, about: more change nothing, and memory is bounded.
const SUBSCRIBERS_MOST: u64 = 100_000;

/// Trains and stores; returns what to say.
///
/// # Errors
/// A [`churn::Refusal`]; the lake or the database can't be read.
pub(crate) async fn run(
    config: &Config,
    arguments: &TrainArgs,
    connection: &mut PgConnection,
) -> Result<String> {
    let (as_of, longest) = (arguments.as_of, Longest::from(arguments.longest_window));
    let zone = database::zone(connection).await?;
    database::ensure_complete(connection, zone, as_of).await?;
    let subscribers = database::subscribers(connection).await?;
    let sample = Sample::of_at_most(SUBSCRIBERS_MOST, subscribers);

    let candidates = period::candidates(as_of);
    let mut gatherers: Vec<Gatherer> =
        candidates.iter().map(|day| Gatherer::new(*day, longest, sample, 0)).collect();
    let from = period::earliest(as_of, longest);
    let mut continuity = Continuity::new(from, sample);
    let export = rows::read(&config.archiver, from, as_of, |day, subscriber, deeds| {
        continuity.add(day, subscriber);
        gatherers.iter_mut().for_each(|gatherer| gatherer.add(day, subscriber, deeds));
    })?;

    let counts = database::counts(connection, zone, (from, as_of), &export.events).await?;
    let begins = |question: &NaiveDate| *question - Days::new(u64::from(longest.days()));
    let keeps_names =
        |question: &NaiveDate| continuity.check(begins(question), period::needed(longest));
    let questions = period::questions(as_of, longest, &counts)?;
    questions.first().map_or(Ok(()), keeps_names)?;
    let questions: Vec<NaiveDate> =
        questions.into_iter().take_while(|question| keeps_names(question).is_ok()).collect();
    let mut cohort = Cohort::new(longest);
    for gatherer in gatherers.into_iter().filter(|gatherer| questions.contains(&gatherer.as_of())) {
        cohort.add(gatherer);
    }
    let trained = churn::train(&cohort)?;
    let stored = Stored { as_of, questions, longest, version: export.version, sample };
    let id = stored.store(config, &trained, connection).await?;
    let Metrics { population, positives, auc, recency_auc, top_decile_lift, .. } = trained.metrics;
    Ok(format!(
        "model {id}, as of {as_of}: learnt from {population} subscribers of whom {positives} left; AUC {auc:.3} \
         (recency alone {recency_auc:.3}), lift of the top tenth {top_decile_lift:.1}\n"
    ))
}

/// What is stored beside the model.
struct Stored {
    as_of: NaiveDate,
    questions: Vec<NaiveDate>,
    longest: Longest,
    version: i64,
    sample: Sample,
}

impl Stored {
    async fn store(
        &self,
        config: &Config,
        trained: &Trained,
        connection: &mut PgConnection,
    ) -> Result<i64> {
        let oldest = self.questions.iter().min().copied().unwrap_or(self.as_of);
        let by = format!("{}@{}", config.by, program::host_name());
        sqlx::query_scalar(
            "INSERT INTO churn_models (as_of, trained_by, first_day, questions, data_version, key_epoch, sampled_one_of, model, metrics)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        )
        .bind(self.as_of)
        .bind(by)
        .bind(oldest - Days::new(u64::from(self.longest.days())))
        .bind(&self.questions)
        .bind(self.version)
        .bind(i32::try_from(config.subscriber_key_epoch).context("SUBSCRIBER_KEY_EPOCH is too large")?)
        .bind(i64::try_from(self.sample.one_of).unwrap_or(i64::MAX))
        .bind(Json(&trained.model))
        .bind(Json(&trained.metrics))
        .fetch_one(connection)
        .await
        .context("storing the model")
    }
}
