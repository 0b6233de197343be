//! A thousand made-up calls as Asterisk writes them, with what real ones bring along: every row becomes an event, none
//! is late, and no full number is sent.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use std::fmt::Write as _;

use chrono::{NaiveDateTime, TimeDelta};
use intake::{Check, Mapper, Mapping, PROFILES};
use pseudonym::SubscriberKey;
use support::{has_number, map_file, mapping_of_profile};

const ROWS: u32 = 1_000;

/// Whoever may stand in `src` or `dst`. `#` is a digit.
const PARTIES: [&str; 20] = [
    "+7701#######",
    "8701#######",
    "7701#######",
    "701#######",
    "007701#######",
    "+7 (701) ###-##-##",
    "8-701-###-##-##",
    "+44 20 0000 ####",
    "0044200000####",
    "sip:+7701#######@192.0.2.1:5060;user=phone",
    "10#",
    "1414",
    "112",
    "*72701#######",
    "*98",
    "s",
    "anonymous",
    "Unavailable",
    "BANK-INFO",
    "",
];

/// Names beside a number, quoted as CSV quotes them: what callers are called, made up.
const NAMES: [&str; 6] =
    ["", r#""O""Neil"#, "Somebody, Else", "Кто-то", r"back\slash", "line\nbreak"];

/// Numbers that look as if drawn by chance, and are always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn party(&mut self) -> String {
        let form = PARTIES[self.below(PARTIES.len() as u64) as usize];
        let digit = |chance: &mut Chance| char::from(b'0' + chance.below(10) as u8);
        form.chars().map(|letter| if letter == '#' { digit(self) } else { letter }).collect()
    }
}

/// `Master.csv`: a row is written when its call ends, so rows come in the order of their ends.
fn master_csv() -> String {
    let mut chance = Chance(17);
    let mut end: NaiveDateTime = "2025-11-09T08:00:00".parse().unwrap();
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = String::new();
    for n in 0..ROWS {
        // Several calls may end in one second.
        end += TimeDelta::seconds(chance.below(40) as i64);
        let is_answered = chance.below(10) < 6;
        // Most calls are short, some go on for hours; an answered one may have lasted for less than a second.
        let talked = match (is_answered, chance.below(20)) {
            (false, _) => 0,
            (true, 0) => 0,
            (true, 1) => 3_600 + chance.below(7_200),
            (true, _) => chance.below(600),
        };
        let rang = chance.below(60);
        let answer = end - TimeDelta::seconds(talked as i64);
        let start = answer - TimeDelta::seconds(rang as i64);
        let disposition = match is_answered {
            true => "ANSWERED",
            false => ["NO ANSWER", "BUSY", "FAILED", "CONGESTION"][chance.below(4) as usize],
        };
        let (src, dst) = (chance.party(), chance.party());
        let name = NAMES[chance.below(NAMES.len() as u64) as usize];
        let clid = quoted(&format!("\"{name}\" <{src}>"));
        let (src, dst) = (quoted(&src), quoted(&dst));
        let time = |time: NaiveDateTime| format!("\"{}\"", time.format("%Y-%m-%d %H:%M:%S"));
        let answer = if is_answered { time(answer) } else { "\"\"".to_owned() };
        write!(
            text,
            "\"\",{src},{dst},\"from-internal\",{clid},\"PJSIP/trunk-{n:08x}\",\"\",\"Dial\",\"PJSIP/101,30\",{},\
             {answer},{},{},{talked},\"{disposition}\",\"DOCUMENTATION\"",
            time(start),
            time(end),
            talked + rang,
        )
        .unwrap();
        // With loguniqueid and loguserfield, or without.
        text.push_str(if n % 2 == 0 {
            ",\"1762671600.42\",\"note, and 77010000001\"\n"
        } else {
            "\r\n"
        });
    }
    text
}

#[test]
fn every_row_is_an_event_and_no_full_number_is_sent() {
    let csv = master_csv();
    let answers = map_file(&mapping_of_profile("asterisk-csv"), csv.as_bytes());
    let unusable: Vec<String> = answers
        .iter()
        .map(support::Answer::told)
        .filter(|told| !told.starts_with("call "))
        .collect();
    assert_eq!((answers.len(), unusable), (ROWS as usize, Vec::new()));
    for answer in &answers {
        // An event_id begins with eight digits by chance, every now and then.
        let mut event: serde_json::Value = serde_json::from_str(&answer.payload()).unwrap();
        event.as_object_mut().unwrap().remove("event_id").unwrap();
        assert!(!has_number(&event.to_string()), "{event}");
    }
    // They hold what would give one away: the test above sees it in the rows.
    assert!(csv.lines().filter(|line| has_number(line)).count() > 500);
    let without_anybody = answers.iter().filter(|answer| answer.event().subscriber.is_none());
    assert!(without_anybody.count() > 50, "anonymous callers are among them");
    let of_no_length = answers.iter().filter(|answer| answer.event().duration_seconds == Some(0));
    assert!(of_no_length.count() > 400, "and calls that nobody answered");
}

#[test]
fn with_the_end_as_its_moment_no_event_is_late() {
    let csv = master_csv();
    let late_at_two_minutes = |mapping: &Mapping| {
        let mapper = Mapper::new(mapping, SubscriberKey::demo());
        let mut check = Check::new(&mapper, 0);
        check.file("Master.csv", || Ok(csv.as_bytes())).unwrap().unwrap();
        assert_eq!((check.counts().events, check.counts().not_mapped()), (u64::from(ROWS), 0));
        check.lateness().shares()[0].0
    };
    assert_eq!(late_at_two_minutes(&mapping_of_profile("asterisk-csv")), 0.0);
    // What happens otherwise, so that nobody takes the other moment unawares.
    let profile = PROFILES.iter().find(|profile| profile.name == "asterisk-csv").unwrap();
    let by_start = profile.text.replace("[time]\n", "[time]\nmoment = \"start\"\n");
    let share = late_at_two_minutes(&support::mapping(&by_start));
    assert!(share > 0.1, "{share}");
}
