//! The numbers of a training and of a question, for another program to train on.
//!
//! Out: `SEED.train` and `SEED.test` in a folder, of little-endian doubles: each row's features and at the end whether they leave; `SEED.told`:
//! a probability for each row of the test; `width`: numbers of a row, as text.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use churn::Cohort;

use crate::forecast::Outcome;

/// Writes an outcome's numbers.
///
/// # Errors
/// A folder or file that can't be written.
pub(crate) fn write(folder: &Path, seed: u64, outcome: &Outcome) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("width"), (outcome.asked.row(0).len() + 1).to_string())?;
    write_cohort(&folder.join(format!("{seed}.train")), &outcome.trained_on)?;
    write_cohort(&folder.join(format!("{seed}.test")), &outcome.asked)?;
    let told = outcome.probabilities.iter().flat_map(|told| told.to_le_bytes()).collect::<Vec<_>>();
    Ok(fs::write(folder.join(format!("{seed}.told")), told)?)
}

fn write_cohort(path: &Path, cohort: &Cohort) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for row in 0..cohort.len() {
        let label = f64::from(u8::from(cohort.leaves[row]));
        for number in cohort.row(row).iter().chain([&label]) {
            out.write_all(&number.to_le_bytes())?;
        }
    }
    Ok(out.flush()?)
}
