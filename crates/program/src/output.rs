//! Standard output, as programs answer on it.
//!
//! In: what a program answers. Out: bytes on standard output, and at the end whether all of them got
//! there. Nothing here panics as `println!` does. A reader that has gone, like `head`, has read
//! enough: the rest is lost on purpose, and that is no failure. A disk that is full is one, and it is
//! told at the end, so that what the program does besides is done all the same.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Whether anybody reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as can be known.
    Present,
    /// Nobody does any more: a program whose only work is to write may end.
    Gone,
}

/// Standard output. Writing always succeeds; [`StandardOutput::finish`] says what became of it.
#[derive(Debug, Default)]
pub struct StandardOutput {
    /// Why the first bytes were lost. All that come afterwards are lost as well.
    failure: Option<io::Error>,
}

impl StandardOutput {
    /// Standard output, of which nothing has failed yet.
    pub fn new() -> Self {
        StandardOutput::default()
    }

    /// Says whether everything was written, or nobody wanted it.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub fn finish(mut self) -> anyhow::Result<Reader> {
        self.attempt(|output| output.flush());
        match self.failure {
            None => Ok(Reader::Present),
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Some(error) => Err(error).context("cannot write to standard output"),
        }
    }

    fn attempt(&mut self, write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut io::stdout().lock()).err();
        }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|output| output.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(|output| output.flush());
        Ok(())
    }
}

/// Writes an answer to standard output.
///
/// # Errors
/// Standard output can't be written. That its reader has gone is no error.
pub fn print(text: impl AsRef<[u8]>) -> anyhow::Result<Reader> {
    let mut output = StandardOutput::new();
    output.attempt(|output| output.write_all(text.as_ref()));
    output.finish()
}
