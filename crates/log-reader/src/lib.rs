//! Reads a Kafka topic as a member of a consumer group, for programs that keep positions of their own.
//!
//! In: the client's settings, a group, positions. Out: records by the batch, in the order of each
//! partition; rebalances as values; the ends of logs; what stands in a log that is in doubt.
//!
//! Reading order: `reader` (the door, [`Reader`]) → `consumer` (what we ask of librdkafka) → `records` (the
//! module that calls librdkafka's C functions) → `assignment` (which partitions are read, and from where) → `leaving` → `queries` and
//! `rounds` (the ends of logs) → `examine` and `stretch` (what stands in them); `joining` says why a group lets nobody in. A whole program that reads a
//! topic with it is `examples/count_types.rs`; `allocator` is for the whole program.

mod allocator;
mod assignment;
mod consumer;
mod examine;
mod joining;
mod leaving;
mod queries;
mod reader;
mod records;
mod rounds;
mod stretch;

pub use allocator::keep_large_blocks_apart;
pub use examine::{Retention, is_compacted, is_stamped_by_broker, look_at, retention};
pub use queries::{
    QUERY_TIMEOUT, Queries, QueryClient, Quiet, UNNAMED_CLUSTER, clock, query_client, topic_exists,
    topic_partitions,
};
pub use reader::{Committer, Event, Membership, Read, Reader, Trouble};
pub use rounds::Rounds;
pub use stretch::Stretches;
