//! How a command, and with it the program, ends.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done,
    /// It failed, `verify` found broken accounting, or `health` found a stream that stands still.
    Failed,
    /// Drained, but a partition is halted and waits for an operator.
    DrainedButHalted,
    /// `status` found partitions that are behind, neglected or halted.
    Degraded,
    /// `status` could not ask Kafka or PostgreSQL.
    Down,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed | Exit::Degraded => 1,
            Exit::DrainedButHalted | Exit::Down => 3,
        }
    }
}
