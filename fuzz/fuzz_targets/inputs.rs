//! Any inputs in any order, most of them such as no client would give: the engine never panics, and
//! whatever it hands over to be stored is accounted for (I-1, I-4, by the assertions of the flush
//! protocol) and within the bounds (I-6).

#![no_main]

#[allow(dead_code, reason = "what only the simulation needs")]
#[path = "../../crates/windowing/tests/sim/dice.rs"]
mod dice;

use dice::Dice;
use event_model::EventTime;
use libfuzzer_sys::fuzz_target;
use windowing::{
    Bounds, Counters, Effect, Engine, Examination, FlushBatch, FlushProtocol, FlushReport,
    GapPermission, Input, Limit, LogEnds, PartOutcome, Position, Progress, Record, RecordTime,
    Rules, FoundAt, Size, Ownership, ResumeAt, Fingerprint,
};

const BOUNDS: Bounds = Bounds::NONE
    .with(Limit::Groups, Size::items(3))
    .with(Limit::Subscribers, Size::bytes(1_000))
    .with(Limit::DeadLetters, Size { items: 2, bytes: 300 });
const RULES: Rules = Rules {
    watermark_delay_micros: 120_000_000,
    max_future_skew_micros: 0,
    business_timezone: chrono_tz::Tz::UTC,
};
const PAYLOADS: [Option<&[u8]>; 4] = [
    None,
    Some(b"{"),
    Some(br#"{"event_type":"call","region":"Almaty","timestamp":"2025-11-09T12:00:00Z"}"#),
    Some(br#"{"event_type":"sms","region":"Astana","timestamp":"2025-11-09T12:09:00Z"}"#),
];
/// 2025-11-09T12:10:00Z.
const NOW: EventTime = EventTime::from_micros(1_762_690_200_000_000);

fuzz_target!(|choices: &[u8]| {
    let mut dice = Dice::Bytes(choices.to_vec().into_iter());
    let mut engine = Engine::new(BOUNDS).in_group("ours".to_owned());
    let (mut effects, mut batches) = (Vec::new(), Vec::new());
    while !dice.is_used_up() {
        apply(&mut engine, &mut dice, &mut batches, &mut effects);
        for effect in effects.drain(..) {
            if let Effect::Flush(batch) = effect {
                expect_bounded(&batch);
                batches.push(batch);
            }
        }
    }
});

fn apply(
    engine: &mut Engine,
    dice: &mut Dice,
    batches: &mut Vec<FlushBatch>,
    effects: &mut Vec<Effect>,
) {
    let partition = i32::try_from(dice.within(-1, 2)).expect("small");
    let position = Position::at(dice.within(0, 9));
    let now = NOW.plus_micros(dice.within(0, 60) * 1_000_000);
    let input = match dice.index(13) {
        // The one thing that a client must keep to.
        0..4 if engine.is_paused() => Input::FlushNow,
        0..4 => {
            let record = Record {
                offset: position.offset(),
                time: RecordTime::LogAppend(NOW),
                key: None,
                payload: dice.pick(&PAYLOADS),
                content: windowing::Content::Payload,
                headers: &Vec::new,
            };
            return engine.apply(Input::Record { partition, record, now }, effects);
        }
        4 => return engine.apply(Input::Assigned(&[partition, 1]), effects),
        5 => return engine.apply(Input::Revoked(&[partition]), effects),
        6 => Input::Loaded {
            partition,
            progress: Box::new(draw_progress(dice)),
            rules: RULES,
            ownership: draw_ownership(dice),
            history: Box::default(),
            ends: draw_ends(dice),
        },
        7 => Input::Examined {
            partition,
            examination: Examination {
                origin: dice.pick(&[
                    FoundAt::Same,
                    FoundAt::Different,
                    FoundAt::Absent,
                    FoundAt::Removed,
                ]),
                is_compacted: dice.one_in(4),
                ends: draw_ends(dice),
            },
        },
        8 => dice
            .pick(&[0, 1])
            .eq(&0)
            .then_some(Input::ReachedEnd(partition))
            .unwrap_or(Input::EndOfLog { partition, end: position }),
        9 => match batches.pop() {
            Some(batch) => Input::Flushed { report: report(batch, dice), now },
            None => Input::FlushNow,
        },
        10 => Input::FlushDue,
        11 => Input::JudgeHaltedAgain,
        _ => {
            if dice.one_in(2) {
                Input::ResetRefused
            } else {
                Input::RowChanged(partition)
            }
        }
    };
    engine.apply(input, effects);
}

fn expect_bounded(batch: &FlushBatch) {
    let deltas = || batch.parts.iter().map(|part| &part.delta);
    let groups: usize = deltas().map(|one| one.on_time.len() + one.late.len()).sum();
    let letters: usize = deltas().map(|one| one.dead_letters.len()).sum();
    assert!(groups <= BOUNDS.of(Limit::Groups).items);
    assert!(letters <= BOUNDS.of(Limit::DeadLetters).items);
}

/// A flush of which every part comes out somehow.
fn report(batch: FlushBatch, dice: &mut Dice) -> FlushReport {
    let ends: Vec<_> = batch.parts.iter().map(|part| (part.partition, draw_ends(dice))).collect();
    let mut report = FlushProtocol::new(batch, ends).into_report();
    for part in &mut report.parts {
        part.outcome = match dice.index(4) {
            0 => PartOutcome::Unneeded,
            1 => PartOutcome::Committed,
            2 => PartOutcome::Fenced,
            _ => PartOutcome::Refused("a user's constraint".to_owned()),
        };
    }
    report
}

fn draw_progress(dice: &mut Dice) -> Progress {
    let mut progress = Progress::starting_at(Position::at(dice.within(0, 4)));
    progress.next = Position::at(dice.within(0, 9));
    let on_time = progress.next.offset() - progress.first.offset();
    // Now and then counters that do not add up.
    let off = i64::from(dice.one_in(8));
    progress.counters = Counters { on_time: on_time + off, ..Counters::default() };
    let fingerprint = |dice: &mut Dice| Fingerprint {
        offset: dice.within(0, 9),
        timestamp_ms: Some(NOW.micros() / 1_000),
        crc: dice.below(2),
    };
    progress.fingerprint = dice.one_in(2).then(|| fingerprint(dice));
    progress.origin = dice.one_in(2).then(|| fingerprint(dice));
    progress.log_end_seen = dice.one_in(2).then(|| Position::at(dice.within(0, 20)));
    progress
}

fn draw_ownership(dice: &mut Dice) -> Ownership {
    let start_from = dice.pick(&[None, Some(ResumeAt::Earliest), Some(ResumeAt::Latest)]);
    Ownership {
        permission: dice.one_in(2).then_some(GapPermission { id: 1, start_from }),
        group_id: dice.one_in(2).then(|| "rivals".to_owned()),
        is_retired: dice.one_in(8),
        cluster_id: dice.one_in(8).then(|| "another".to_owned()),
    }
}

fn draw_ends(dice: &mut Dice) -> LogEnds {
    let low = dice.within(0, 9);
    let stable = low + dice.within(0, 9);
    let high = stable + dice.within(0, 9);
    let [low, stable, high] = [low, stable, high].map(Position::at);
    LogEnds { low, stable, high, asked_at: NOW }
}
