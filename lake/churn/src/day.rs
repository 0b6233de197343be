//! What one subscriber did on one day: the only input of the forecast.
//!
//! In: rows of the lake's table of subscriber-days, which `archiver subscribers DAY` writes. Days are those of the business time zone.

/// The figures of a day, in the order of [`Deeds::figures`].
pub const MEASURES: [Measure; 7] = [
    Measure { name: "sessions", words: "data sessions", unit: 1.0 },
    Measure { name: "data_mb", words: "megabytes", unit: 5.0 },
    Measure { name: "calls", words: "calls", unit: 1.0 },
    Measure { name: "messages", words: "messages", unit: 1.0 },
    Measure { name: "recharges", words: "top-ups", unit: 1.0 },
    Measure { name: "contacts", words: "people called or written to", unit: 1.0 },
    Measure { name: "towers", words: "places visited", unit: 1.0 },
];

/// One of the figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// As features are named after it.
    pub name: &'static str,
    /// As people say it.
    pub words: &'static str,
    /// So much of it weighs like one event where little is known: what ratios are smoothed with.
    pub unit: f64,
}

/// What a subscriber did on a day: late events count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deeds {
    /// Data sessions.
    pub sessions: u32,
    /// Megabytes of them.
    pub data_mb: f32,
    /// Calls made and got, those that nobody answered among them.
    pub calls: u32,
    /// Text messages sent and got.
    pub messages: u32,
    /// Top-ups.
    pub recharges: u32,
    /// Different other sides of calls and messages.
    pub contacts: u32,
    /// Different towers.
    pub towers: u32,
}

impl Deeds {
    /// The figures in the order of [`MEASURES`].
    pub fn figures(&self) -> [f32; MEASURES.len()] {
        [
            self.sessions as f32,
            self.data_mb,
            self.calls as f32,
            self.messages as f32,
            self.recharges as f32,
            self.contacts as f32,
            self.towers as f32,
        ]
    }
}

/// A number that is the same for the same subscriber everywhere and always (FNV-1a): by it samples and folds are drawn.
pub fn lot(subscriber: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    subscriber
        .bytes()
        .fold(start, |lot, byte| (lot ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
