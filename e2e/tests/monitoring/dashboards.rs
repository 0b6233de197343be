//! Grafana's dashboards, without a Grafana: none can be had where the tests run, so nothing here was ever
//! rendered by one. Their structure is checked, and every query is run: PromQL on a real Prometheus that
//! scrapes the programs, SQL on the real database, with Grafana's macros and variables put in as it would.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use e2e::{Database, WAIT_TIMEOUT};
use sandbox::wait_until;
use serde_json::Value;
use sqlx::Row;

use super::alerting::{ask, start_prometheus, wait_for_query};
use super::tools::{repository, repository_file};
use super::{served_at, served_pipeline};

/// Panels whose query may answer nothing on a pipeline that is well, and why.
const MAY_BE_EMPTY: &[(&str, &str)] = &[("Firing alerts", "nothing fires")];

/// How a panel is bound to the regions that are chosen: Grafana writes them quoted and with commas between, and
/// nothing where there are none.
const OF_CHOSEN_REGIONS: &str = "region = ANY(ARRAY[${region:sqlstring}]::text[])";

/// One query of one panel.
struct Query {
    panel: String,
    is_sql: bool,
    text: String,
}

fn dashboards() -> Result<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(repository().join("deploy/grafana/dashboards"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        all.push((name, serde_json::from_str(&fs::read_to_string(&path)?)?));
    }
    Ok(all)
}

fn panels(dashboard: &Value) -> Result<Vec<&Value>> {
    let panels = dashboard["panels"].as_array().context("panels are a list")?;
    Ok(panels.iter().filter(|panel| panel["type"] != "row").collect())
}

/// The variables of a dashboard that are of this type.
fn variables<'a>(dashboard: &'a Value, kind: &str) -> Result<Vec<&'a Value>> {
    let all = dashboard["templating"]["list"].as_array().context("variables are a list")?;
    Ok(all.iter().filter(|variable| variable["type"] == kind).collect())
}

fn queries(dashboard: &Value) -> Result<Vec<Query>> {
    let mut all = Vec::new();
    for panel in panels(dashboard)? {
        for target in panel["targets"].as_array().context("targets are a list")? {
            let sql = target["rawSql"].as_str();
            let text = sql.or(target["expr"].as_str()).context("a query is PromQL or SQL")?;
            let panel = panel["title"].as_str().context("a title")?.to_owned();
            all.push(Query { panel, is_sql: sql.is_some(), text: text.to_owned() });
        }
    }
    Ok(all)
}

#[test]
fn dashboards_are_well_formed() -> Result<()> {
    let dashboards = dashboards()?;
    let uids: BTreeSet<_> = dashboards.iter().map(|(_, board)| board["uid"].to_string()).collect();
    ensure!(dashboards.len() == 2 && uids.len() == 2, "{uids:?}");
    for (name, board) in &dashboards {
        let variables: BTreeSet<String> = variables(board, "datasource")?
            .into_iter()
            .map(|variable| format!("${{{}}}", variable["name"].as_str().unwrap_or_default()))
            .collect();
        let everything = board["panels"].as_array().context("panels are a list")?;
        let ids: BTreeSet<_> = everything.iter().map(|panel| panel["id"].to_string()).collect();
        ensure!(ids.len() == everything.len(), "{name}: an id is there twice");
        let mut titles = BTreeSet::new();
        for panel in panels(board)? {
            let title = panel["title"].as_str().unwrap_or_default();
            ensure!(!title.is_empty() && titles.insert(title), "{name}: {title:?} is there twice");
            ensure!(
                !panel["description"].as_str().unwrap_or_default().is_empty(),
                "{title}: no description"
            );
            ensure!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
            let mut sources = vec![&panel["datasource"]];
            sources.extend(
                panel["targets"].as_array().into_iter().flatten().map(|t| &t["datasource"]),
            );
            for source in sources {
                let uid = source["uid"].as_str().unwrap_or_default();
                ensure!(variables.contains(uid), "{title}: {uid} is no data source variable");
            }
        }
        expect_no_overlap(name, everything)?;
    }
    Ok(())
}

fn expect_no_overlap(name: &str, panels: &[Value]) -> Result<()> {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_i64().context("a place");
        for x in at("x")?..at("x")? + at("w")? {
            for y in at("y")?..at("y")? + at("h")? {
                ensure!(x < 24 && taken.insert((x, y)), "{name}: {} overlaps", panel["title"]);
            }
        }
    }
    Ok(())
}

/// In the time zone of who looks, and with the regions that he chooses: every panel that shows minutes.
#[test]
fn figures_are_those_of_the_chosen_regions_in_the_browsers_time_zone() -> Result<()> {
    let dashboards = dashboards()?;
    let (_, board) =
        dashboards.iter().find(|(name, _)| name == "telecom.json").context("figures")?;
    ensure!(board["timezone"] == "browser", "{}", board["timezone"]);
    let mut bound = 0;
    for Query { panel, text, .. } in queries(board)? {
        let count = |part: &str| text.matches(part).count();
        let chosen = count(OF_CHOSEN_REGIONS);
        ensure!(chosen == count("FROM real_time_metrics"), "{panel} has all regions: {text}");
        ensure!(chosen == count("region:"), "{panel} uses the choice otherwise: {text}");
        bound += chosen;
    }
    ensure!(bound > 0, "no panel shows minutes");
    Ok(())
}

/// Provisioning names what is there: data sources of the dashboards' types, the folder that is mounted.
#[test]
fn provisioning_fits_the_dashboards() -> Result<()> {
    let sources = repository_file("deploy/grafana/provisioning/datasources/datasources.yml")?;
    for (name, board) in dashboards()? {
        for variable in variables(&board, "datasource")? {
            let kind = variable["query"].as_str().context("a type")?;
            ensure!(
                sources.contains(&format!("type: {kind}\n")),
                "{name}: no data source is a {kind}"
            );
        }
    }
    let provider = repository_file("deploy/grafana/provisioning/dashboards/dashboards.yml")?;
    let compose = repository_file("docker-compose.yml")?;
    ensure!(provider.contains("path: /etc/telecom/dashboards"));
    ensure!(compose.contains("./deploy/grafana/dashboards:/etc/telecom/dashboards:ro"));
    ensure!(compose.contains("./deploy/grafana/provisioning:/etc/grafana/provisioning:ro"));
    Ok(())
}

#[test]
fn every_query_of_every_panel_runs_and_answers_something() -> Result<()> {
    let (mut pipeline, traffic, _streamer, address) = served_pipeline()?;
    let flags = ["--rate", "50", "--seed", "3", "--metrics-addr", "127.0.0.1:0"];
    let producer = pipeline.start("producer", &flags)?;
    let producer_address = served_at(&producer)?;
    pipeline.run("batcher", &[&traffic.at.format("%Y-%m-%d").to_string()])?.expect(0)?;
    let an_anomaly = "INSERT INTO anomalies (region, event_type, direction, first_window, opened_at, last_window,
                                             calm_windows, peak_observed, peak_expected, peak_score)
                      VALUES ('ALL', 'call', 'low', now(), now() + interval '10 minutes', now(), 0, 1, 99.5, -9.5)";
    pipeline.database.execute(an_anomaly)?;
    // As Grafana's user, with the rights that it has in Compose.
    pipeline.database.execute(&repository_file("deploy/roles.sql")?)?;
    let mut as_grafana = Database::at(&as_role(pipeline.database.url(), "pipeline_dashboards"))?;
    let (_prometheus, prometheus_url) =
        start_prometheus(&address, &producer_address, sandbox::free_port()?)?;
    // Rates need two samples, and the rules a round.
    wait_for_query(&prometheus_url, "pipeline:records_per_second:rate5m > 0")?;
    wait_for_query(&prometheus_url, "pipeline:late_share:ratio15m >= 0")?;

    for (name, board) in dashboards()? {
        let regions = chosen_regions(&board, &mut as_grafana)?;
        for query in queries(&board)? {
            let Query { panel, is_sql, text } = &query;
            let is_answered = if *is_sql {
                let nothing_chosen = with_macros(&text.replace("${region:sqlstring}", ""))?;
                as_grafana.rows(&nothing_chosen).with_context(|| panel.clone())?;
                let sql = with_macros(&text.replace("${region:sqlstring}", &regions))?;
                ensure!(!sql.contains('$'), "{name}, {panel}: a macro is left in {sql}");
                !as_grafana.rows(&sql).with_context(|| panel.clone())?.is_empty()
            } else {
                let expr = text.replace("$__rate_interval", "1m");
                ensure!(!expr.contains('$'), "{name}, {panel}: a variable is left in {expr}");
                let mut answer = ask(&prometheus_url, &expr).with_context(|| panel.clone())?;
                if !may_be_empty(panel) {
                    wait_until(&format!("{panel}: {expr}"), WAIT_TIMEOUT, || {
                        answer = ask(&prometheus_url, &expr).unwrap_or_default();
                        !answer.is_empty()
                    })?;
                }
                !answer.is_empty()
            };
            ensure!(is_answered || may_be_empty(panel), "{name}, {panel}: no answer to {text}");
        }
    }
    producer.kill()
}

/// What Grafana puts in for the regions when all are chosen: those that the variable's query answers.
fn chosen_regions(dashboard: &Value, as_grafana: &mut Database) -> Result<String> {
    let mut regions = Vec::new();
    for variable in variables(dashboard, "query")? {
        ensure!(variable["name"] == "region", "a variable that no test knows: {variable}");
        let query = with_macros(variable["query"].as_str().context("a query")?)?;
        for row in as_grafana.rows(&query)? {
            regions.push(format!("'{}'", row.try_get::<String, _>(0)?));
        }
        ensure!(!regions.is_empty(), "no region to choose: {query}");
    }
    Ok(regions.join(","))
}

/// The address for sessions that have a role's rights.
fn as_role(url: &str, role: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-crole%3D{role}")
}

fn may_be_empty(panel: &str) -> bool {
    MAY_BE_EMPTY.iter().any(|(title, _)| *title == panel)
}

/// Grafana's macros for PostgreSQL that the dashboards use, over the last day.
fn with_macros(sql: &str) -> Result<String> {
    let now = chrono::Utc::now();
    let instant = |at: chrono::DateTime<chrono::Utc>| at.format("'%Y-%m-%dT%H:%M:%SZ'").to_string();
    let (from, to) = (instant(now - chrono::TimeDelta::days(1)), instant(now));
    let mut sql = sql.replace("$__timeFrom()", &from).replace("$__timeTo()", &to);
    while let Some((before, rest)) = sql.split_once("$__timeFilter(") {
        let (column, after) = rest.split_once(')').context("a closing bracket")?;
        sql = format!("{before}{column} BETWEEN {from} AND {to}{after}");
    }
    while let Some((before, rest)) = sql.split_once("$__timeGroup(") {
        let (arguments, after) = rest.split_once(')').context("a closing bracket")?;
        let (column, width) = arguments.rsplit_once(',').context("column and width")?;
        let minutes: i64 = width.trim_matches(['\'', 'm']).parse()?;
        let seconds = 60 * minutes;
        sql = format!("{before}floor(extract(epoch from {column})/{seconds})*{seconds}{after}");
    }
    Ok(sql)
}
