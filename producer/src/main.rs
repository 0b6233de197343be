//! The program `producer`: reads the command line, starts logging and runs the library.

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use event_model::EventTime;
use producer::config::{Command, PlanArgs};
use producer::{Cli, preview, run, schema, towers};
use program::{print, run_program, shutdown_requested};

fn main() -> ExitCode {
    run_program(Cli::from_args(std::env::args_os()), Cli::log, async |cli| {
        match cli.command {
            None => run(cli.config, shutdown_requested()).await.map(drop)?,
            Some(Command::Plan(arguments)) => plan(&arguments)?,
            Some(Command::Schema(arguments)) => {
                print(schema::document(arguments.form))?;
            }
            Some(Command::Towers(arguments)) => {
                print(towers::text(&arguments)?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn plan(arguments: &PlanArgs) -> anyhow::Result<()> {
    let PlanArgs { config, sample } = arguments;
    let now = Utc::now();
    let plan = config.plan(EventTime::from(now), rand::random()).map_err(anyhow::Error::msg)?;
    let partitions = config.kafka.topic_partitions.unsigned_abs();
    let scenario = &plan.draft.scenario;
    scenario.check_partitions(&config.kafka.kafka_topic, partitions).map_err(anyhow::Error::msg)?;
    if let Some(count) = sample {
        let mut output = io::BufWriter::new(io::stdout());
        return match preview::print_sample(&plan, partitions, *count, &mut output) {
            // Who reads decides how much: `… | head` is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.context("cannot write to standard output"),
        };
    }
    // A run without an end is described by one day.
    let is_endless = config.to.is_none();
    let day = plan.draft.from.plus_micros(TimeDelta::days(1).num_microseconds().unwrap_or(0));
    let until = if config.to.is_none() { day } else { EventTime::END_ACCEPTED };
    let expected = preview::preview(&plan, partitions, until);
    print(preview::describe(&plan, &expected, partitions, is_endless))?;
    Ok(())
}
