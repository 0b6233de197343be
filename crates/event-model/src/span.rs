//! A stretch of a payload.

/// Where a token stands: its first byte, and the one after its last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}
