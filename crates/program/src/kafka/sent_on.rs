//! Where a client was sent on to by a broker that it could reach, when it does not come through there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, ConsumerContext};

/// So many lines of a client's log are looked through for an address that it was sent on to …
const LINES_HEARD_MAX: usize = 20;
/// … each of them awaited for so long.
const LINE_WAIT: Duration = Duration::from_millis(5);

/// Where a client was last sent on to by a broker without coming through, as it says in its log: it may know
/// no other address any more, and its errors do not name it.
#[derive(Debug, Default)]
pub struct SentOnTo(Mutex<Option<String>>);

impl SentOnTo {
    /// Takes a line of the client's log in.
    pub fn hear(&self, line: &str) {
        if let Some(address) = advertised_in(line) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.to_owned());
        }
    }

    /// HOST:PORT.
    pub fn address(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a client that nobody polls has heard: it keeps its log lines until it is polled.
pub fn heard<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    sent_on_to: &SentOnTo,
) -> Option<String> {
    for _ in 0..LINES_HEARD_MAX {
        drop(client.poll(LINE_WAIT));
        if let Some(address) = sent_on_to.address() {
            return Some(address);
        }
    }
    None
}

/// The address in what the client says of a broker that it was sent on to: `[thrd:…]: HOST:PORT/ID: …`.
fn advertised_in(line: &str) -> Option<&str> {
    let said = if line.starts_with("[thrd:") { line.split_once("]: ")?.1 } else { line };
    let (broker, _) = said.split_once(": ")?;
    let (address, id) = broker.rsplit_once('/')?;
    id.parse::<i32>().is_ok().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_client_was_sent_on_to_is_told_from_one_that_it_was_given() {
        for (reason, expected) in [
            (
                "kafka:9092/0: Failed to resolve 'kafka:9092': Name or service not known",
                Some("kafka:9092"),
            ),
            (
                "[::1]:9092/12: Connect to ipv6#[::1]:9092 failed: Connection refused",
                Some("[::1]:9092"),
            ),
            (
                "[thrd:kafka:9092/0]: kafka:9092/0: Connect to ipv4#10.0.0.1:9092 failed",
                Some("kafka:9092"),
            ),
            ("kafka:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed", None),
            ("1/1 brokers are down", None),
        ] {
            assert_eq!(advertised_in(reason), expected);
        }
    }
}
