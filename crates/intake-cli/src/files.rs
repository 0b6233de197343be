//! Files as a source: folders are looked through, the oldest file first; packed ones are unpacked.
//!
//! A file is opened once and read several times by that handle: whoever renames or removes it meanwhile changes nothing.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use intake::{Counts, Done, FeedError, Progress, Sink, Taking, Write, feed};

use crate::life::{Life, LifeEnd, RunResult, Work};

/// Pause between two looks at the folders.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What packed content begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// So many files that were read before are named in the summary.
const NAMED_MAX: usize = 20;

/// What a file looked like when it was read: it is looked at again when this differs.
type Stamp = (u64, u64, i64, i64, bool);

/// The files of a run.
pub(crate) struct Files<'a, 'm> {
    work: &'a Work<'a, 'm>,
    seen: HashMap<PathBuf, Stamp>,
    read_before: Vec<String>,
}

/// A file to be read.
struct Candidate {
    path: PathBuf,
    stamp: Stamp,
    is_finished: bool,
}

impl<'a, 'm> Files<'a, 'm> {
    /// Nothing has been looked at.
    pub(crate) fn new(work: &'a Work<'a, 'm>) -> Self {
        Files { work, seen: HashMap::new(), read_before: Vec::new() }
    }

    /// Reads what there is; with `--follow` until it is time to stop.
    pub(crate) fn read(&mut self, life: &mut Life, result: &mut RunResult) -> Result<(), LifeEnd> {
        loop {
            for candidate in self.candidates().map_err(LifeEnd::Hopeless)? {
                if self.work.is_stopped() {
                    return Ok(());
                }
                self.read_one(&candidate, life, result)?;
            }
            self.work.metrics.sessions(life.progress.sessions.len());
            if !self.work.args.follow || self.work.is_stopped() {
                return Ok(());
            }
            self.work.sleep(LOOK_EVERY);
        }
    }

    fn read_one(
        &mut self,
        file: &Candidate,
        life: &mut Life,
        result: &mut RunResult,
    ) -> Result<(), LifeEnd> {
        let args = self.work.args;
        let taking = Taking {
            again: args.again,
            is_finished: file.is_finished,
            batch_rows: args.batch_rows,
        };
        let Life { sender, progress } = life;
        let mut counts = Counts::default();
        let fed = take(self.work, file, progress, sender, taking, &mut counts);
        result.counts.add(&counts);
        match fed {
            Ok(Done::Stopped) => return Ok(()),
            Ok(done) => self.done(&file.path, &done, &counts, result),
            Err(FeedError::Sink(error)) => return Err(error.into()),
            Err(FeedError::Read(error)) => {
                self.seen.insert(file.path.clone(), file.stamp);
                self.work.metrics.file("failed");
                self.unreadable(&file.path, &error.to_string(), result);
                // What is under way of it is dropped with this life.
                return Err(LifeEnd::Again);
            }
        }
        self.seen.insert(file.path.clone(), file.stamp);
        Ok(())
    }

    fn done(&mut self, path: &Path, done: &Done, counts: &Counts, result: &mut RunResult) {
        let shown = path.display();
        match done {
            Done::Read => {
                self.work.metrics.file("read");
                tracing::info!(
                    file = %shown,
                    rows = counts.rows(),
                    events = counts.events,
                    not_mapped = counts.not_mapped(),
                    left_out = counts.left_out(),
                    "a file was read"
                );
            }
            Done::Nothing | Done::Stopped => tracing::debug!(file = %shown, "nothing new"),
            Done::ReadBefore(position) => {
                self.work.metrics.file("refused");
                tracing::debug!(file = %shown, before_as = %position.name, "read before");
                self.read_before
                    .push(format!("{shown} (as {}, {} rows)", position.name, position.rows));
            }
            Done::InDoubt(position, why) => {
                self.work.metrics.file("refused");
                let said = format!(
                    "{why}, compared with {}, of which {} rows were read; --again reads all of it",
                    position.name, position.rows
                );
                self.refused(path, &said, result);
            }
            Done::Unusable(problem) => {
                self.work.metrics.file("failed");
                self.refused(path, problem, result);
            }
        }
    }

    fn unreadable(&self, path: &Path, error: &str, result: &mut RunResult) {
        tracing::error!(file = %path.display(), %error, "a file can't be read");
        self.failed(path, &format!("can't be read: {error}"), result);
    }

    fn refused(&self, path: &Path, because: &str, result: &mut RunResult) {
        tracing::error!(file = %path.display(), %because, "a file is not read");
        self.failed(path, &format!("is not read: {because}"), result);
    }

    fn failed(&self, path: &Path, what: &str, result: &mut RunResult) {
        result.has_failures = true;
        if result.lines.len() < NAMED_MAX {
            result.lines.push(format!("{} {what}", path.display()));
        }
    }

    /// Says which files were read before.
    pub(crate) fn report(&self, result: &mut RunResult) {
        let count = self.read_before.len();
        if count > 0 {
            let named =
                self.read_before.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = if count > NAMED_MAX { ", …" } else { "" };
            result.lines.push(format!(
                "{count} files were read before, and are left alone (--again): {named}{more}"
            ));
        }
    }

    /// Files that are not what they were at the last look.
    fn candidates(&self) -> anyhow::Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for path in listed(&self.work.args.paths)? {
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                // Renamed or removed between two looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("{} can't be looked at", path.display()));
                }
            };
            let is_finished = !self.work.args.follow || self.is_finished(&metadata);
            let stamp = (
                metadata.ino(),
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                is_finished,
            );
            if self.seen.get(&path) != Some(&stamp) {
                candidates.push(Candidate { path, stamp, is_finished });
            }
        }
        Ok(candidates)
    }

    fn is_finished(&self, metadata: &Metadata) -> bool {
        let age =
            metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_some_and(|age| age >= self.work.args.finished_after)
    }
}

/// What a rehearsal sends to.
struct Nowhere;

impl Sink for Nowhere {
    type Error = std::convert::Infallible;

    fn send(&mut self, _: &str, _: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn commit(&mut self, _: &[Write]) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// `--dry-run`: reads what is new, and sends nothing.
pub(crate) fn rehearse(work: &Work<'_, '_>, mut progress: Progress) -> anyhow::Result<RunResult> {
    let (mut files, mut result) = (Files::new(work), RunResult::default());
    for candidate in files.candidates()? {
        let taking =
            Taking { again: work.args.again, is_finished: true, batch_rows: work.args.batch_rows };
        let mut counts = Counts::default();
        match take(work, &candidate, &mut progress, &mut Nowhere, taking, &mut counts) {
            Ok(done) => files.done(&candidate.path, &done, &counts, &mut result),
            Err(FeedError::Read(error)) => {
                files.unreadable(&candidate.path, &error.to_string(), &mut result);
            }
            Err(FeedError::Sink(never)) => match never {},
        }
        result.counts.add(&counts);
    }
    files.report(&mut result);
    result.lines.push("nothing was sent (--dry-run)".to_owned());
    Ok(result)
}

fn take<S: Sink>(
    work: &Work<'_, '_>,
    file: &Candidate,
    progress: &mut Progress,
    sink: &mut S,
    taking: Taking,
    counts: &mut Counts,
) -> Result<Done, FeedError<S::Error>> {
    let opened = File::open(&file.path)?;
    let name =
        file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    feed(work.mapper, progress, sink, &name, || content(&opened), taking, counts)
}

/// The files of these paths: a folder's by their age.
fn listed(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let can_not = || format!("{} can't be read", path.display());
        if !fs::metadata(path).with_context(can_not)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).with_context(can_not)? {
            let entry = entry.with_context(can_not)?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() && !is_hidden => {
                    found.push(((metadata.mtime(), metadata.mtime_nsec()), entry.path()));
                }
                _ => {}
            }
        }
        found.sort();
        files.extend(found.into_iter().map(|(_, path)| path));
    }
    Ok(files)
}

/// The decompressed content of a file, from its start.
pub(crate) fn content(mut file: &File) -> io::Result<Box<dyn Read + '_>> {
    let mut head = [0; 2];
    file.seek(SeekFrom::Start(0))?;
    let is_packed = file.read_exact(&mut head).is_ok() && head == GZIP_MAGIC;
    file.seek(SeekFrom::Start(0))?;
    let plain = BufReader::with_capacity(64 << 10, file);
    Ok(if is_packed { Box::new(MultiGzDecoder::new(plain)) } else { Box::new(plain) })
}
