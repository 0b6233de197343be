//! `churn score`: everybody who was active in the week before a day gets a probability and its reasons, in one transaction.

use anyhow::{Context, Result};
use chrono::NaiveDate;
use churn::gather::{Gatherer, Longest, Sample};
use churn::model::Model;
use churn::{Continuity, Refusal, features, period};
use sqlx::Connection;
use sqlx::types::Json;
use store::PgConnection;

use crate::config::{Config, ScoreArgs};
use crate::{database, rows};

/// The newest so many days of scoring are kept.
const SCORE_DATES_KEPT: i64 = 13;
/// Subscribers whose names are looked at for a change of key, about.
const WATCHED_MOST: u64 = 100_000;
/// Bytes that are sent to the database at a time.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(sqlx::FromRow)]
pub(crate) struct StoredModel {
    pub(crate) id: i64,
    pub(crate) as_of: NaiveDate,
    pub(crate) key_epoch: i32,
    pub(crate) model: Json<Model>,
}

/// The newest model.
///
/// # Errors
/// There is none; a failed statement.
pub(crate) async fn newest(connection: &mut PgConnection) -> Result<StoredModel> {
    let found: Option<StoredModel> = sqlx::query_as(
        "SELECT id, as_of, key_epoch, model FROM churn_models ORDER BY as_of DESC, id DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await
    .context("reading the model")?;
    found.context("there is no model yet; run `churn train --as-of DAY`")
}

/// Scores and stores; returns what to say.
///
/// # Errors
/// A [`Refusal`]; the lake or the database can't be read.
pub(crate) async fn run(
    config: &Config,
    arguments: &ScoreArgs,
    connection: &mut PgConnection,
) -> Result<String> {
    let as_of = arguments.as_of;
    let stored = newest(connection).await?;
    let (of_model, now) = (stored.key_epoch.unsigned_abs(), config.subscriber_key_epoch);
    if of_model != now {
        return Err(Refusal::OtherKeyEpoch { trained: stored.as_of, of_model, now }.into());
    }
    let longest = stored.model.longest().with_context(|| {
        format!("model {} was trained by another release; run `churn train` again", stored.id)
    })?;
    let zone = database::zone(connection).await?;
    database::ensure_complete(connection, zone, as_of).await?;
    let subscribers = database::subscribers(connection).await?;

    let expected = usize::try_from(subscribers).unwrap_or(0);
    let mut gatherer = Gatherer::new(as_of, longest, Sample::ALL, expected);
    let (from, to) = gatherer.feature_days();
    let mut continuity = Continuity::new(from, Sample::of_at_most(WATCHED_MOST, subscribers));
    let export = rows::read(&config.archiver, from, to, |day, subscriber, deeds| {
        continuity.add(day, subscriber);
        gatherer.add(day, subscriber, deeds);
    })?;
    let counts = database::counts(connection, zone, (from, to), &export.events).await?;
    period::can_score(as_of, longest, &counts)?;
    continuity.check(from, longest.days())?;

    let scored = store_scores(&stored, longest, gatherer, connection).await?;
    Ok(format!("{as_of}: {scored} subscribers scored with model {}\n", stored.id))
}

/// Replaces the day's scores, and forgets those of days that are too old.
async fn store_scores(
    stored: &StoredModel,
    longest: Longest,
    gatherer: Gatherer,
    connection: &mut PgConnection,
) -> Result<u64> {
    let as_of = gatherer.as_of();
    let mut transaction = connection.begin().await.context("beginning to store scores")?;
    sqlx::query("DELETE FROM persons.churn_scores WHERE score_date = $1")
        .bind(as_of)
        .execute(&mut *transaction)
        .await
        .context("removing the day's former scores")?;
    let mut copy = transaction
        .copy_in_raw(
            "COPY persons.churn_scores (score_date, subscriber_id, model, probability, reasons) FROM STDIN (FORMAT csv)",
        )
        .await
        .context("beginning to copy scores")?;
    let mut lines = csv::Writer::from_writer(Vec::new());
    let mut values = Vec::new();
    for (subscriber, person) in gatherer.into_population() {
        values.clear();
        features::append(&person, longest, &mut values);
        let probability = stored.model.probability(&values);
        let words = stored.model.reasons(longest, &values);
        let words = words.into_iter().map(|reason| format!("\"{}\"", reason.words(longest)));
        let reasons = format!("{{{}}}", words.collect::<Vec<_>>().join(","));
        let (day, model, probability) =
            (as_of.to_string(), stored.id.to_string(), probability.to_string());
        lines.write_record([&*day, &*subscriber, &*model, &*probability, &*reasons])?;
        if lines.get_ref().len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut lines, csv::Writer::from_writer(Vec::new()));
            copy.send(full.into_inner()?).await.context("copying scores")?;
        }
    }
    copy.send(lines.into_inner()?).await.context("copying scores")?;
    let scored = copy.finish().await.context("copying scores")?;
    sqlx::query(
        "DELETE FROM persons.churn_scores WHERE score_date < (
             SELECT MIN(kept.score_date) FROM (
                 SELECT DISTINCT score_date FROM persons.churn_scores ORDER BY score_date DESC LIMIT $1) kept)",
    )
    .bind(SCORE_DATES_KEPT)
    .execute(&mut *transaction)
    .await
    .context("removing old scores")?;
    transaction.commit().await.context("storing scores")?;
    Ok(scored)
}
