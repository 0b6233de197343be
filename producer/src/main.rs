//! The program `producer`: reads the command line, starts logging and runs the library.

use std::io::{self, Write};
use std::process::ExitCode;

use chrono::{TimeDelta, Utc};
use event_model::EventTime;
use producer::config::{Command, PlanArgs};
use producer::{Cli, preview, run, schema};
use runtime::{init_telemetry, report_failure, shutdown_requested};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::from_args(std::env::args_os()).unwrap_or_else(|error| error.exit());
    init_telemetry(match &cli.command {
        Some(Command::Plan(arguments)) => &arguments.config.log,
        _ => &cli.config.log,
    });
    let outcome = match cli.command {
        None => run(cli.config, shutdown_requested()).await.map(drop),
        Some(Command::Plan(arguments)) => plan(&arguments),
        Some(Command::Schema(arguments)) => print(&schema::document(arguments.form)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report_failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &PlanArgs) -> anyhow::Result<()> {
    let PlanArgs { config, sample } = arguments;
    let now = Utc::now();
    let plan = config.plan(EventTime::from(now), rand::random()).map_err(anyhow::Error::msg)?;
    let partitions = config.kafka.topic_partitions.unsigned_abs();
    let scenario = &plan.draft.scenario;
    scenario.check_partitions(&config.kafka.kafka_topic, partitions).map_err(anyhow::Error::msg)?;
    if let Some(count) = sample {
        return ignoring_a_reader_gone(preview::print_sample(
            &plan,
            partitions,
            *count,
            &mut io::BufWriter::new(io::stdout()),
        ));
    }
    // A run without an end is described by one day.
    let is_endless = config.to.is_none();
    let day = plan.draft.from.plus_micros(TimeDelta::days(1).num_microseconds().unwrap_or(0));
    let until = if config.to.is_none() { day } else { EventTime::END_ACCEPTED };
    let expected = preview::preview(&plan, partitions, until);
    print(&preview::describe(&plan, &expected, partitions, is_endless))
}

fn print(text: &str) -> anyhow::Result<()> {
    ignoring_a_reader_gone(io::stdout().write_all(text.as_bytes()))
}

/// Who reads decides how much: `… | head` is no failure.
fn ignoring_a_reader_gone(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
