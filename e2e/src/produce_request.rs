//! Writes one record whose header has a name of any bytes. No Kafka client for Rust can: to them a
//! name is text. The protocol knows only bytes, and other clients send them, so here is one Produce
//! request, written out by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Appends a record with one header to partition 0 of a topic.
///
/// # Errors
/// The broker does not acknowledge it.
pub fn send_with_raw_header(
    bootstrap: &str,
    topic: &str,
    payload: &[u8],
    header: (&[u8], &[u8]),
) -> Result<()> {
    let batch = record_batch(&record(payload, header));
    let mut request = Vec::new();
    request.extend(0_i16.to_be_bytes()); // Produce
    request.extend(3_i16.to_be_bytes()); // version 3: the first with record batches
    request.extend(1_i32.to_be_bytes()); // correlation id
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // acknowledged by all replicas
    request.extend(10_000_i32.to_be_bytes()); // within ten seconds
    request.extend(1_i32.to_be_bytes()); // one topic
    request.extend(i16::try_from(topic.len())?.to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend(1_i32.to_be_bytes()); // one partition
    request.extend(0_i32.to_be_bytes());
    request.extend(i32::try_from(batch.len())?.to_be_bytes());
    request.extend(batch);

    let mut stream = TcpStream::connect(bootstrap)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&i32::try_from(request.len())?.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    // Correlation id, number of topics, name, number of partitions, partition, error code.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let code = answer.get(at..at + 2).context("a short answer")?;
    ensure!(code == [0, 0], "the broker refuses with error code {code:?}");
    Ok(())
}

fn record(payload: &[u8], (name, value): (&[u8], &[u8])) -> Vec<u8> {
    let mut body = vec![0]; // attributes
    body.extend(varint(0)); // no time after the batch's
    body.extend(varint(0)); // no offset after the batch's
    body.extend(varint(-1)); // no key
    body.extend(counted(payload));
    body.extend(varint(1)); // one header
    body.extend(counted(name));
    body.extend(counted(value));
    let mut record = varint(body.len() as i64);
    record.extend(body);
    record
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as i64), bytes.to_vec()].concat()
}

fn record_batch(record: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes()); // attributes
    checked.extend(0_i32.to_be_bytes()); // last offset after the first
    checked.extend(0_i64.to_be_bytes()); // first time; the broker stamps its own
    checked.extend(0_i64.to_be_bytes()); // last time
    checked.extend((-1_i64).to_be_bytes()); // no producer id
    checked.extend((-1_i16).to_be_bytes()); // no producer epoch
    checked.extend((-1_i32).to_be_bytes()); // no sequence
    checked.extend(1_i32.to_be_bytes()); // one record
    checked.extend(record);

    let length = 4 + 1 + 4 + checked.len();
    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes()); // first offset; the broker gives its own
    batch.extend((length as i32).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes()); // no leader epoch
    batch.push(2); // the format with headers
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// Zigzag, then seven bits a byte, the lowest first.
fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// CRC-32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli_s() {
        // The check value of RFC 3720's polynomial.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn varints_are_zigzag() {
        for (value, bytes) in [(0, &[0][..]), (-1, &[1]), (1, &[2]), (300, &[0xd8, 0x04])] {
            assert_eq!(varint(value), bytes, "{value}");
        }
    }
}
