//! Questions to a broker and to ZooKeeper in their own protocols: are you there, whom do you know?
//!
//! Written out by hand, a few bytes each, so that the crate needs no Kafka client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
/// No honest answer of a broker without topics is longer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// True if the broker's metadata names a broker: then a controller has been elected and topics
/// can be created.
pub(super) fn broker_answers(bootstrap: &str) -> bool {
    known_brokers(bootstrap).is_ok_and(|count| count > 0)
}

/// True if ZooKeeper says that it serves.
pub(super) fn zookeeper_answers(address: &str) -> bool {
    ask_zookeeper(address, "ruok").is_ok_and(|answer| answer == "imok")
}

/// True if ZooKeeper answers and holds the node of no broker.
pub(super) fn no_broker_is_registered(address: &str) -> bool {
    ask_zookeeper(address, "dump").is_ok_and(|sessions| !sessions.contains("/brokers/ids/"))
}

/// True if ZooKeeper answers and does not hold the node of this broker.
pub(super) fn broker_is_forgotten(address: &str, id: usize) -> bool {
    let node = format!("/brokers/ids/{id}");
    ask_zookeeper(address, "dump")
        .is_ok_and(|sessions| sessions.lines().all(|line| line.trim() != node))
}

/// A Metadata request, version 1, for no topic: the answer begins with the list of brokers.
fn known_brokers(bootstrap: &str) -> io::Result<u32> {
    const REQUEST: [u8; 18] = [
        0, 0, 0, 14, // length of what follows
        0, 3, // Metadata
        0, 1, // version 1
        0, 0, 0, 1, // correlation id
        0xff, 0xff, // no client id
        0, 0, 0, 0, // no topics
    ];
    let mut stream = connect(bootstrap)?;
    stream.write_all(&REQUEST)?;
    let mut head = [0; 12]; // length, correlation id, number of brokers
    stream.read_exact(&mut head)?;
    Ok(u32::from_be_bytes([head[8], head[9], head[10], head[11]]))
}

fn ask_zookeeper(address: &str, word: &str) -> io::Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}
