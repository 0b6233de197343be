//! Events as Confluent's own serializer for Python writes them, with a schema that it registers itself.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::RawRecord;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/avro/serializer.py");

/// The same records with their events, which are JSON, in Avro.
pub(crate) fn serialized(registry: &str, records: &[RawRecord]) -> Result<Vec<RawRecord>> {
    let python = std::env::var("AVRO_PYTHON")
        .context("`make test-avro` sets AVRO_PYTHON, a Python that has Confluent's serializer")?;
    let mut events = tempfile::NamedTempFile::new()?;
    for record in records {
        events.write_all(record.payload.as_deref().context("an event")?)?;
        events.write_all(b"\n")?;
    }
    let ended = Command::new(python)
        .args([PROGRAM, registry])
        .stdin(File::open(events.path())?)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(ended.status.success(), "the serializer fails: {}", ended.status);
    let frames = String::from_utf8(ended.stdout)?;
    ensure!(frames.lines().count() == records.len(), "a frame for each event");
    let in_avro = |(record, frame): (&RawRecord, &str)| {
        Ok(RawRecord { payload: Some(bytes(frame)?), ..record.clone() })
    };
    records.iter().zip(frames.lines()).map(in_avro).collect()
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>> {
    let byte = |at| Ok(u8::from_str_radix(hexadecimal.get(at..at + 2).context("two digits")?, 16)?);
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}
