//! The three real programs on a real Kafka and a real PostgreSQL. Each test has a topic and a
//! database of its own; those that stop a server start one of their own, too.

mod pipeline;
