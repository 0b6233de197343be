//! How many rows a CPU-second maps, and in how much memory: `cargo run --release -p intake --example speed [ROWS]`.
//!
//! Rows as Asterisk writes them, through all of it but Kafka: recognised, split, mapped, pseudonyms made, encoded.

use std::fmt::Write as _;
use std::io::{self, Read};

use intake::{Counts, Mapper, Mapping, PROFILES, Progress, Sink, Taking, Write, feed};
use pseudonym::SubscriberKey;

/// Rows that are made once and come again.
const ROWS_MADE: u64 = 50_000;

/// Takes all, and adds up the bytes.
struct Counting(u64);

impl Sink for Counting {
    type Error = std::convert::Infallible;

    fn send(&mut self, _: &str, payload: &[u8]) -> Result<(), Self::Error> {
        self.0 += payload.len() as u64;
        Ok(())
    }

    fn commit(&mut self, _: &[Write]) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn rows() -> String {
    let mut text = String::new();
    for n in 0..ROWS_MADE {
        let (hour, minute, second) = (n / 3_600 % 24, n / 60 % 60, n % 60);
        let at = format!("2025-11-09 {hour:02}:{minute:02}:{second:02}");
        writeln!(
            text,
            "\"\",\"+7701{n:07}\",\"8701{n:07}\",\"from-internal\",\"\"\"x\"\" <x>\",\"PJSIP/trunk-{n:08x}\",\
             \"PJSIP/101-{n:08x}\",\"Dial\",\"PJSIP/101,30\",\"{at}\",\"{at}\",\"{at}\",188,180,\"ANSWERED\",\
             \"DOCUMENTATION\",\"{n}.42\",\"\""
        )
        .expect("a String takes any text");
    }
    text
}

/// The same rows again and again.
fn content(text: &str, times: u64) -> impl Read + '_ {
    (0..times)
        .fold(Box::new(io::empty()) as Box<dyn Read>, |all, _| Box::new(all.chain(text.as_bytes())))
}

/// What the system says of this process: CPU-seconds, and the most memory that it had, in KiB.
fn used() -> (f64, String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    ((ticks(11) + ticks(12)) / 100.0, peak.trim().to_owned())
}

#[allow(clippy::print_stdout, reason = "an example says what it has measured")]
fn main() {
    let times =
        std::env::args().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1_000_000)
            / ROWS_MADE;
    let profile =
        PROFILES.iter().find(|profile| profile.name == "asterisk-csv").expect("it is there");
    let mapping =
        Mapping::read(profile.text, &|_| Ok(String::new())).expect("a profile can be used");
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let (text, before) = (rows(), used().0);
    let (mut progress, mut sink, mut counts) =
        (Progress::new(1_000), Counting(0), Counts::default());
    let taking = Taking::default();
    let opened = || Ok(content(&text, times));
    feed(&mapper, &mut progress, &mut sink, "big.csv", opened, taking, &mut counts)
        .unwrap_or_else(|_| unreachable!("nothing here fails"));
    let (after, peak) = used();
    let seconds = after - before;
    println!(
        "{} rows, {} events in {seconds:.2} CPU-s: {:.0} rows per CPU-second; {} bytes of events; peak memory {peak}",
        counts.rows(),
        counts.events,
        counts.rows() as f64 / seconds,
        sink.0
    );
}
