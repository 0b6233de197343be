//! What a stranger may see and do: encrypted and authenticated connections, secrets that stay secret,
//! programs that hold nothing of the tests.

mod builds;
mod kafka_login;
mod postgres_tls;
mod secrets;
