//! The figures of the scenario `default`: what is drawn, and how often. Tables only.
//!
//! Rates are 2 events/s times a factor of the local hour, so a day has
//! 7,200 × (6·0.3 + 2·1.5 + 2·1.3 + 4·2.0 + 10·1.0) = 182,880 events.

use std::ops::RangeInclusive;

use chrono_tz::Tz;
use event_model::EventType;

/// Events per second at hour factor 1, unless told otherwise.
pub const BASE_RATE_PER_SECOND: f64 = 2.0;

/// Whose clock the hour factors follow. Kazakhstan has changed its offset before (UTC+6 until
/// 2024-03-01), so this is a zone of the tz database and never a fixed offset.
pub const LOCAL_ZONE: Tz = chrono_tz::Asia::Almaty;

/// The factor of each local hour; hour h is [h:00, h+1:00).
#[rustfmt::skip]
pub const HOUR_FACTORS: [f64; 24] = [
    0.3, 0.3, 0.3, 0.3, 0.3, 0.3, // 00–06: night
    1.0, 1.0, 1.5, 1.5, 1.0, 1.0, // 08–10: on the way to work
    1.3, 1.3, 1.0, 1.0, 1.0, 1.0, // 12–14: lunch
    2.0, 2.0, 2.0, 2.0, 1.0, 1.0, // 18–22: evening
];

/// How many subscribers there are.
pub const SUBSCRIBERS: u32 = 100_000;

/// Event types by weight.
pub const EVENT_TYPES: [(EventType, u32); 4] = [
    (EventType::DataSession, 50),
    (EventType::Call, 30),
    (EventType::Sms, 15),
    (EventType::BalanceRecharge, 5),
];

/// Regions by weight.
pub const REGIONS: [(&str, u32); 10] = [
    ("Almaty", 30),
    ("Astana", 25),
    ("Shymkent", 15),
    ("Karaganda", 10),
    ("Aktobe", 5),
    ("Taraz", 5),
    ("Pavlodar", 4),
    ("Semey", 3),
    ("Atyrau", 2),
    ("Kostanay", 1),
];

/// Seconds of a call.
pub const CALL_SECONDS: RangeInclusive<u32> = 10..=600;
/// Seconds of a data session.
pub const SESSION_SECONDS: RangeInclusive<u32> = 60..=7_200;
/// Volume of a data session, in hundredths of a megabyte: 1.00–500.00 MB.
pub const SESSION_HUNDREDTHS_MB: RangeInclusive<u32> = 100..=50_000;
/// Amounts of a top-up, in tenge, all equally likely.
pub const RECHARGE_TENGE: [u32; 6] = [500, 1_000, 2_000, 3_000, 5_000, 10_000];
/// Ids of cell towers.
pub const TOWERS: RangeInclusive<u32> = 1_000..=9_999;
