//! Payloads for the tests: single events, and a long disorderly stream of them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::RawRecord;

/// One event's JSON; `more` is an object with further fields.
pub fn event(event_type: &str, region: &str, at: DateTime<Utc>, more: Value) -> Vec<u8> {
    let timestamp = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut event = json!({"event_type": event_type, "region": region, "timestamp": timestamp});
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event.to_string().into_bytes()
}

/// A stream of records that looks random and is always the same: mostly events a few seconds apart,
/// some of them out of order, some late, and now and then a record that can't be used.
#[derive(Clone, Debug)]
pub struct Scatter {
    dice: Dice,
    partitions: i32,
    clock: DateTime<Utc>,
}

const TYPES: [&str; 4] = ["data_session", "call", "sms", "balance_recharge"];
const REGIONS: [&str; 5] = ["Almaty", "Astana", "Шымкент", "Taraz", "Semey"];
/// How far behind the stream's clock a straggler may be. The watermark is 2 minutes behind, so about
/// half of them are late.
const STRAGGLING_SECONDS_MAX: u64 = 300;

impl Scatter {
    /// A stream over so many partitions whose event times begin here.
    pub fn new(seed: u64, partitions: i32, from: DateTime<Utc>) -> Scatter {
        Scatter { dice: Dice(seed), partitions, clock: from }
    }

    /// The next records.
    pub fn take(&mut self, count: usize) -> Vec<RawRecord> {
        (0..count).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> RawRecord {
        let partition = self.dice.below(self.partitions.unsigned_abs().into()) as i32;
        let key = Some(self.dice.below(500).to_string().into_bytes());
        let payload = match self.dice.below(200) {
            0 => None,
            1 => Some(b"{\"event_type\":".to_vec()),
            _ => Some(self.event()),
        };
        RawRecord { partition, key, payload, ..RawRecord::default() }
    }

    fn event(&mut self) -> Vec<u8> {
        self.clock += TimeDelta::milliseconds(self.dice.below(500) as i64);
        let is_straggler = self.dice.below(10) == 0;
        let behind =
            if is_straggler { self.dice.below(STRAGGLING_SECONDS_MAX * 1_000_000) } else { 0 };
        let at = self.clock - TimeDelta::microseconds(behind as i64);
        let kind = TYPES[self.dice.below(4) as usize];
        let region = REGIONS[self.dice.below(5) as usize];
        let hundredths = self.dice.below(50_000);
        event(
            kind,
            region,
            at,
            json!({
                "duration_seconds": self.dice.below(600),
                "data_mb": hundredths as f64 / 100.0,
                "amount": if kind == "balance_recharge" { Some(self.dice.below(10_000)) } else { None },
            }),
        )
    }
}

/// Numbers that look random and are always the same.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // The multiplier and addend of Knuth's MMIX; the high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
