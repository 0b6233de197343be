//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use intake::{
    Counts, MappedEvent, Mapper, Mapping, Outcome, PROFILES, Progress, RowReader, places, take_row,
};
use pseudonym::SubscriberKey;

/// What became of a row, and the record that is sent.
pub(crate) struct Answer {
    /// What became of it.
    pub(crate) outcome: Outcome,
    sent: Option<Vec<u8>>,
}

impl Answer {
    /// The event that it must be.
    pub(crate) fn event(&self) -> &MappedEvent {
        let Outcome::Event(event) = &self.outcome else { panic!("no event: {}", self.told()) };
        event
    }

    /// What is sent.
    pub(crate) fn payload(&self) -> String {
        String::from_utf8(self.sent.clone().unwrap_or_default()).unwrap()
    }

    /// What became of it, in words.
    pub(crate) fn told(&self) -> String {
        let event = match &self.outcome {
            Outcome::Event(event) => event,
            Outcome::LeftOut(why) => return format!("left out: {why}"),
            Outcome::NotMapped(fault) => return format!("not mapped: {}", fault.code),
        };
        // Read as the streamer reads it.
        let payload = self.sent.clone().unwrap();
        let view = event_model::decode(&payload).unwrap();
        assert_eq!(view.event_time, event.time());
        let subtype =
            event.subtype.as_deref().map_or(String::new(), |subtype| format!(" {subtype}"));
        let mut parts = Vec::new();
        let millions = |micros: i64| micros as f64 / 1e6;
        parts.extend(event.duration_seconds.map(|seconds| format!("{seconds} s")));
        parts.extend(event.data_micros.map(|micros| format!("{} MB", millions(micros))));
        parts.extend(event.amount_micros.map(|micros| format!("{} tenge", millions(micros))));
        parts.extend(event.msisdn.clone());
        parts.push(event.region.clone());
        format!("{}{subtype} {} {}", view.event_type, view.event_time, parts.join(", "))
    }
}

/// A profile's mapping.
pub(crate) fn mapping_of_profile(name: &str) -> Mapping {
    let profile = PROFILES.iter().find(|profile| profile.name == name).expect(name);
    mapping(profile.text)
}

/// A mapping without tables.
pub(crate) fn mapping(text: &str) -> Mapping {
    Mapping::read(text, &|file| Err(std::io::Error::other(file.to_owned()))).unwrap()
}

/// The pseudonym of a number under the key of these tests.
pub(crate) fn pseudonym(number: &str) -> u64 {
    SubscriberKey::demo().pseudonym(number)
}

/// What becomes of each row of a content.
pub(crate) fn map_file(mapping: &Mapping, content: &[u8]) -> Vec<Answer> {
    let mapper = Mapper::new(mapping, SubscriberKey::demo());
    let (places, header) =
        places(content, mapping).unwrap().expect("a header").expect("its columns");
    let mut reader = RowReader::new(&content[header as usize..], mapping, places);
    // One for what becomes of a row, and one for what is sent: both remember sessions.
    let (mut progress, mut sending) = (Progress::new(100), Progress::new(100));
    let mut answers = Vec::new();
    while let Some(raw) = reader.next_row().unwrap() {
        let mut counts = Counts::default();
        let outcome = match &raw.row {
            Ok(row) => mapper.map(row, &mut progress.sessions, &mut counts),
            Err(fault) => Outcome::NotMapped(fault.clone()),
        };
        let mut payload = Vec::new();
        let key =
            take_row(&mapper, &raw, "test", &mut sending, &mut Counts::default(), &mut payload);
        answers.push(Answer { outcome, sent: key.map(|_| payload) });
    }
    answers
}

/// Whether a text has eight digits in a row that are no pseudonym, id or time.
pub(crate) fn has_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_beside = |index: Option<usize>| {
        index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_alphanumeric)
    };
    let mut start = None;
    for index in 0..=bytes.len() {
        if bytes.get(index).is_some_and(u8::is_ascii_digit) {
            start.get_or_insert(index);
            continue;
        }
        if let Some(from) = start.take() {
            let is_alone = !is_beside(from.checked_sub(1)) && !is_beside(Some(index));
            // The last group of a UUID stands behind a hyphen.
            let is_uuid = from > 0 && bytes[from - 1] == b'-' && index - from == 12;
            if is_alone && !is_uuid && (8..=15).contains(&(index - from)) {
                return true;
            }
        }
    }
    false
}
