//! `churn report`: the newest model, what it is worth, what weighs most in it, and which scores there are.

use anyhow::{Context, Result};
use chrono::{NaiveDate, NaiveDateTime};
use churn::Metrics;
use churn::model::Model;
use program::table;
use sqlx::types::Json;
use store::PgConnection;

/// So many coefficients are shown.
const COEFFICIENTS_SHOWN: usize = 10;

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    as_of: NaiveDate,
    trained_at: NaiveDateTime,
    trained_by: String,
    first_day: NaiveDate,
    data_version: i64,
    key_epoch: i32,
    model: Json<Model>,
    metrics: Json<Metrics>,
}

/// What to say.
///
/// # Errors
/// There is no model; a failed statement.
pub(crate) async fn run(connection: &mut PgConnection) -> Result<String> {
    let newest: Option<Row> = sqlx::query_as(
        "SELECT id, as_of, trained_at, trained_by, first_day, data_version, key_epoch, model, metrics
         FROM churn_models ORDER BY as_of DESC, id DESC LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .context("reading the model")?;
    let newest = newest.context("there is no model yet; run `churn train --as-of DAY`")?;
    let scores: Vec<(NaiveDate, i64, i64, f64)> = sqlx::query_as(
        "SELECT score_date, MAX(model), COUNT(*), AVG(probability) FROM persons.churn_scores
         GROUP BY score_date ORDER BY score_date DESC",
    )
    .fetch_all(connection)
    .await
    .context("reading the scores")?;
    let line = |(day, model, count, mean): (NaiveDate, i64, i64, f64)| {
        [day.to_string(), model.to_string(), count.to_string(), format!("{:.2} %", mean * 100.0)]
    };
    Ok(format!(
        "{}\n{}\n{}",
        head(&newest),
        weights(&newest.model),
        table(
            ["scores of", "model", "subscribers", "will leave, on average"],
            scores.into_iter().map(line)
        ),
    ))
}

fn head(row: &Row) -> String {
    let Row { id, as_of, trained_at, trained_by, first_day, data_version, key_epoch, .. } = row;
    let Metrics { population, positives, auc, recency_auc, naive_auc, naive_recency_auc, .. } =
        *row.metrics;
    let Metrics { top_decile_lift, calibration_error, .. } = *row.metrics;
    format!(
        "model {id}, as of {as_of}: trained {} UTC by {trained_by}\n\
         data: days from {first_day} on, version {data_version} of the subscriber-days, key epoch {key_epoch}\n\
         {positives} of {population} subscribers left. On people whom it was not trained with:\n\
         AUC {auc:.3} (recency alone {recency_auc:.3}), lift of the top tenth {top_decile_lift:.2}, calibration error {calibration_error:.4}\n\
         under the naive label, silent in the next 30 days: AUC {naive_auc:.3} (recency alone {naive_recency_auc:.3})\n",
        trained_at.format("%Y-%m-%d %H:%M"),
    )
}

fn weights(model: &Model) -> String {
    let mut sorted: Vec<_> = model.coefficients.iter().collect();
    sorted.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    let shown = sorted.into_iter().take(COEFFICIENTS_SHOWN);
    table(
        ["feature", "log-odds for a standard deviation more"],
        shown.map(|one| [one.feature.clone(), format!("{:+.3}", one.weight)]),
    )
}
