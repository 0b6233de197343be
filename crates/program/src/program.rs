//! How a program begins and ends: arguments, log, executor, exit code.
//!
//! In: what clap made of the arguments, and the program's work. Out: its exit code. Whatever is
//! missing at the start ends in a sentence, and never in a panic.

use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::telemetry::{init_telemetry, say_plainly};
use crate::{LogArgs, command_line, report_failure};

/// clap's own code, for arguments and variables that can't be used.
const WRONG_USAGE: u8 = 2;

/// So many files the executor opens, with a few to spare. It would panic if it could not.
const FILES_TO_START: usize = 8;

/// Runs a program: refuses what is wrong with its arguments, starts its log, and waits for its work. A question about
/// its command line is answered instead.
pub fn run_program<Cli, Work>(
    arguments: Result<Cli, clap::Error>,
    log: impl FnOnce(&Cli) -> &LogArgs,
    work: impl FnOnce(Cli) -> Work,
) -> ExitCode
where
    Cli: CommandFactory,
    Work: Future<Output = anyhow::Result<ExitCode>>,
{
    match command_line::question::<Cli>(std::env::args_os()) {
        None => {}
        Some(Err(answer)) => return end_with(&answer),
        Some(Ok(answer)) => return end_with_answer(answer.write()),
    }
    let cli = match arguments {
        Ok(cli) => cli,
        Err(answer) => return end_with(&answer),
    };
    if let Err(error) = init_telemetry(log(&cli)) {
        say_plainly(&error);
        return ExitCode::from(WRONG_USAGE);
    }
    let ended = executor().and_then(|executor| executor.block_on(work(cli)));
    ended.unwrap_or_else(|error| {
        report_failure(&error);
        ExitCode::FAILURE
    })
}

/// The end of a program that only answered a question; it has no log.
fn end_with_answer(written: anyhow::Result<()>) -> ExitCode {
    let Err(error) = written else { return ExitCode::SUCCESS };
    say_plainly(&error);
    ExitCode::FAILURE
}

/// Ends with what clap says: what is wrong, or what was asked for, like `--help`.
pub fn end_with(answer: &clap::Error) -> ExitCode {
    let printed = answer.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(error) if !answer.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            say_plainly(&anyhow::Error::new(error).context("cannot write to standard output"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(WRONG_USAGE)),
    }
}

/// What runs a program's work, on this thread.
///
/// # Errors
/// The system gives too few files.
pub fn executor() -> anyhow::Result<tokio::runtime::Runtime> {
    ensure_files(FILES_TO_START)?;
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.context("cannot start the executor")
}

/// Tries whether so many more files can be open at a time. A program that is short of them later
/// would try for ever to connect.
///
/// # Errors
/// They can't.
pub fn ensure_files(count: usize) -> anyhow::Result<()> {
    let opened: io::Result<Vec<File>> = (0..count).map(|_| File::open("/dev/null")).collect();
    opened.map(drop).with_context(|| {
        format!("cannot start: too few files may be open at a time, {count} more are needed; see `ulimit -n`")
    })
}

/// What runs the futures of a thread that the program has started. Unlike tokio's own it may be
/// dropped anywhere: where it was made for a thread that could not be started, too.
#[derive(Debug)]
pub struct ThreadExecutor(Option<tokio::runtime::Runtime>);

impl ThreadExecutor {
    /// One for the thread that calls [`ThreadExecutor::block_on`].
    ///
    /// # Errors
    /// The system gives too few files.
    pub fn new() -> anyhow::Result<Self> {
        executor().map(|executor| ThreadExecutor(Some(executor)))
    }

    /// Runs a future to its end.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken out on drop alone").block_on(future)
    }
}

impl Drop for ThreadExecutor {
    fn drop(&mut self) {
        if let Some(executor) = self.0.take() {
            executor.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executor_of_a_thread_can_be_dropped_inside_another() {
        let outer = executor().unwrap();
        outer.block_on(async { drop(ThreadExecutor::new().unwrap()) });
    }
}
