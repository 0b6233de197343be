//! The address that the servers listen on: loopback, unless [`HOST_VARIABLE`] names another one.
//!
//! A client in a network namespace of its own, such as a pod of tests/kubernetes, does not reach this one's loopback.

use std::env;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};

/// The variable with the address, of this host's own, that Kafka and PostgreSQL listen on and are known by.
pub const HOST_VARIABLE: &str = "SANDBOX_HOST";

/// What [`HOST_VARIABLE`] says; 127.0.0.1 when it says nothing.
///
/// # Errors
/// It is no IPv4 address.
pub(crate) fn host() -> Result<Ipv4Addr> {
    named(&env::var(HOST_VARIABLE).unwrap_or_default())
}

fn named(text: &str) -> Result<Ipv4Addr> {
    if text.is_empty() {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    let address = text.parse();
    address
        .with_context(|| format!("{HOST_VARIABLE} is {text:?}: write an IPv4 address of this host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_and_none_means_loopback() {
        assert_eq!(named("").expect("none is fine"), Ipv4Addr::LOCALHOST);
        assert_eq!(named("10.244.0.1").expect("an address"), Ipv4Addr::new(10, 244, 0, 1));
        let message = format!("{:#}", named("localhost").expect_err("a name"));
        assert!(message.starts_with("SANDBOX_HOST is \"localhost\""), "{message}");
    }
}
