//! `patterns SUBSCRIBERS HOURS`: so many hours of evening by ten rules, as quickly as it goes. Prints what is kept, the memory of the
//! process, and the time per event.

use std::process::ExitCode;
use std::time::Instant;

use bench_micro::RuleRun;

fn main() -> ExitCode {
    let arguments: Vec<i64> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [subscribers, hours] = arguments[..] else {
        eprintln!("usage: patterns SUBSCRIBERS HOURS");
        return ExitCode::FAILURE;
    };
    let mut run = RuleRun::new(subscribers);
    let events = subscribers * 16 / 10 * hours;
    let begun = Instant::now();
    for _ in 0..events {
        run.observe();
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    let (kept, bytes) = run.kept();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{events} events, {:.3} µs each, {kept} kept in {bytes} bytes; {peak}",
        micros / events as f64
    );
    ExitCode::SUCCESS
}
