//! `instructions decode|count|encode|patterns TIMES`: handles the thousand events so often; `patterns`: so many thousand events
//! by ten rules. For `bench/instructions`, which
//! counts the instructions of two runs and divides the difference.

use std::hint::black_box;
use std::process::ExitCode;

use bench_micro::{Counter, EVENTS, RuleRun, event, payloads};
use event_model::decode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((work, times)) = read(&arguments) else {
        eprintln!("usage: instructions decode|count|encode|patterns TIMES, not {arguments:?}");
        return ExitCode::FAILURE;
    };
    let handled = match work {
        "decode" => {
            let payloads = payloads();
            let decode_all =
                || payloads.iter().filter(|payload| decode(black_box(payload)).is_ok()).count();
            (0..times).map(|_| decode_all()).sum::<usize>()
        }
        "count" => {
            let payloads = payloads();
            let mut counter = Counter::default();
            (0..times).for_each(|_| payloads.iter().for_each(|payload| counter.count(payload)));
            usize::try_from(counter.counted()).unwrap_or(0)
        }
        "patterns" => {
            let mut run = RuleRun::new(20_000);
            (0..times * EVENTS).filter(|_| run.observe()).count()
        }
        _ => {
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

fn read(arguments: &[String]) -> Option<(&str, usize)> {
    let [work, times] = arguments else { return None };
    let is_known = ["decode", "count", "encode", "patterns"].contains(&work.as_str());
    Some((work, times.parse().ok().filter(|_| is_known)?))
}
