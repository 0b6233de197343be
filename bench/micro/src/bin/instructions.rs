//! `instructions WORK TIMES`: handles the thousand events so often. For `bench/instructions`, which counts the
//! instructions of two runs and divides the difference. Without arguments it says which WORK there is: `count`,
//! `encode`, `patterns` (ten rules; so many thousand events), and `decode-LAYOUT` for each layout.

use std::hint::black_box;
use std::process::ExitCode;

use bench_micro::{Counter, EVENTS, LAYOUTS, Layout, RuleRun, event, payloads};
use event_model::decode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        LAYOUTS.iter().for_each(|layout| println!("decode-{}", layout.name));
        println!("count\nencode\npatterns");
        return ExitCode::SUCCESS;
    }
    let Some((work, times)) = read(&arguments) else {
        eprintln!("usage: instructions WORK TIMES, not {arguments:?}");
        return ExitCode::FAILURE;
    };
    let handled = match work {
        Work::Decode(layout) => {
            let payloads = layout.payloads();
            let decode_all =
                || payloads.iter().filter(|payload| decode(black_box(payload)).is_ok()).count();
            (0..times).map(|_| decode_all()).sum::<usize>()
        }
        Work::Count => {
            let payloads = payloads();
            let mut counter = Counter::default();
            (0..times).for_each(|_| payloads.iter().for_each(|payload| counter.count(payload)));
            usize::try_from(counter.counted()).unwrap_or(0)
        }
        Work::Patterns => {
            let mut run = RuleRun::new(20_000);
            (0..times * EVENTS).filter(|_| run.observe()).count()
        }
        Work::Encode => {
            let events: Vec<_> = (0..EVENTS).map(event).collect();
            let mut out = Vec::with_capacity(1 << 20);
            for _ in 0..times {
                out.clear();
                events.iter().for_each(|event| event.encode(&mut out));
            }
            times * out.split(|byte| *byte == b'}').count().saturating_sub(1)
        }
    };
    println!("{handled}");
    if handled == times * EVENTS { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Work {
    Decode(&'static Layout),
    Count,
    Encode,
    Patterns,
}

fn read(arguments: &[String]) -> Option<(Work, usize)> {
    let [work, times] = arguments else { return None };
    let work = match work.as_str() {
        "count" => Work::Count,
        "encode" => Work::Encode,
        "patterns" => Work::Patterns,
        decode => {
            let name = decode.strip_prefix("decode-")?;
            Work::Decode(LAYOUTS.iter().find(|layout| layout.name == name)?)
        }
    };
    Some((work, times.parse().ok()?))
}
