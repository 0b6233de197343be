//! Names and ports that nobody else uses.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below every system's range of ephemeral ports. Inside that range a client that keeps
/// reconnecting to a stopped server can connect to itself, and the server never gets its port back.
const PORTS: std::ops::Range<u64> = 15_000..32_000;
/// Ports that are tried before giving up.
const PORT_ATTEMPTS: usize = 100;

/// A name that no other test has: the prefix and 16 random hex digits.
pub(crate) fn name(prefix: &str) -> String {
    format!("{prefix}_{:016x}", number())
}

/// A TCP port on loopback that nobody listens on.
///
/// # Errors
/// No port is free.
pub fn free_port() -> Result<u16> {
    for _ in 0..PORT_ATTEMPTS {
        let port = PORTS.start + number() % (PORTS.end - PORTS.start);
        let port = u16::try_from(port)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port found among {PORT_ATTEMPTS} between {} and {}", PORTS.start, PORTS.end)
}

/// HOST:PORT on loopback where nobody listens.
///
/// # Errors
/// No port is free.
pub fn free_address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

/// The standard library's hash keys come from the system's random source.
fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_never_the_same() {
        let names: HashSet<String> = (0..1000).map(|_| name("t")).collect();
        assert_eq!(names.len(), 1000);
    }

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free_port().expect("a free port");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("bound");
    }
}
