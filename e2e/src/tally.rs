//! How often a fault was injected, and how often it was seen to have hit. Rows of one table, that
//! `make torture` prints at its end.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result, ensure};

/// Set by `make torture`: the volumes are then the full ones.
const FULL_VARIABLE: &str = "TORTURE";
/// The file to which rows are added.
const TABLE_VARIABLE: &str = "TORTURE_TABLE";

/// How much of something: `slice` in `make test`, `full` in `make torture`, or what the variable
/// `TORTURE_NAME` says.
pub fn volume(name: &str, slice: usize, full: usize) -> usize {
    let given = env::var(format!("TORTURE_{name}")).ok().and_then(|value| value.parse().ok());
    given.unwrap_or(if env::var_os(FULL_VARIABLE).is_some() { full } else { slice })
}

/// One row: a kind of fault.
#[derive(Clone, Debug)]
pub struct Tally {
    fault: String,
    injected: usize,
    observed: usize,
}

impl Tally {
    /// A kind of fault, which has not been injected yet.
    pub fn of(fault: impl Into<String>) -> Tally {
        Tally { fault: fault.into(), injected: 0, observed: 0 }
    }

    /// Counts faults.
    pub fn inject(&mut self, count: usize) {
        self.injected += count;
    }

    /// Counts faults that were seen to have hit: the process was gone, the connection failed, the
    /// position went back.
    pub fn observe(&mut self, count: usize) {
        self.observed += count;
    }

    pub fn injected(&self) -> usize {
        self.injected
    }

    /// How many were seen.
    pub fn observed(&self) -> usize {
        self.observed
    }

    /// Adds the row to the table. `held` says what was found to hold afterwards.
    ///
    /// # Errors
    /// The fault was never seen: then nothing was proved. Or the file can't be written.
    pub fn end(self, held: &str) -> Result<()> {
        let Tally { fault, injected, observed } = self;
        ensure!(observed > 0, "{fault}: {injected} injected, and none was observed");
        add_row(&format!("{fault}\t{injected}\t{observed}\t{held}\n"))
    }

    /// Adds a row that says why the fault can't be injected here; also where a test's output is not
    /// shown.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn skip(self, reason: &str) -> Result<()> {
        let fault = self.fault;
        writeln!(std::io::stderr(), "skipped: {fault}: {reason}")?;
        add_row(&format!("{fault}\t-\t-\tskipped: {reason}\n"))
    }
}

fn add_row(row: &str) -> Result<()> {
    let Some(path) = env::var_os(TABLE_VARIABLE) else { return Ok(()) };
    // One write, so that tests that run at the same time don't mix their rows.
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let mut table = opened.with_context(|| path.display().to_string())?;
    Ok(table.write_all(row.as_bytes())?)
}
