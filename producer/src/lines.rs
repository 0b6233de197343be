//! Standard output as a sink: one JSON object a line.

use std::io::{BufWriter, ErrorKind, Write};

use crate::sink::{Offer, Sink, SinkError, Tally};
use crate::stop::Stop;

/// Bytes written at once.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes events as lines.
pub(crate) struct Lines<W: Write + Send> {
    writer: BufWriter<W>,
    written: u64,
}

impl<W: Write + Send> Lines<W> {
    /// Lines to `writer`.
    pub(crate) fn to(writer: W) -> Self {
        Lines { writer: BufWriter::with_capacity(BUFFER_BYTES, writer), written: 0 }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn offer(
        &mut self,
        _key: &str,
        payload: Option<&[u8]>,
        _partition: Option<i32>,
    ) -> Result<Offer, SinkError> {
        // A line can't be without a payload; an empty one comes closest.
        self.writer
            .write_all(payload.unwrap_or_default())
            .and_then(|()| self.writer.write_all(b"\n"))
            .map_err(refusal)?;
        self.written += 1;
        Ok(Offer::Taken)
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        self.writer.flush().map_err(refusal)
    }

    fn finish(&mut self, _stop: &Stop) -> Result<Tally, SinkError> {
        self.idle()?;
        Ok(Tally { delivered: self.written, failed: 0 })
    }
}

fn refusal(error: std::io::Error) -> SinkError {
    match error.kind() {
        ErrorKind::BrokenPipe => SinkError::ReaderGone,
        _ => SinkError::Output(error),
    }
}
