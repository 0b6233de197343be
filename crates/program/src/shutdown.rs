//! When the operator, the terminal or the container runtime asks the program to stop.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes at the first SIGINT, SIGTERM, or SIGHUP: what a closed terminal sends.
pub async fn shutdown_requested() {
    let signal = tokio::select! {
        () = received(SignalKind::interrupt()) => "SIGINT",
        () = received(SignalKind::terminate()) => "SIGTERM",
        () = received(SignalKind::hangup()), if is_hangup_heard() => "SIGHUP",
    };
    tracing::info!(%signal, "stopping");
}

/// Completes when the signal comes. One that can't be listened for ends the program at once, as it
/// would any other.
async fn received(kind: SignalKind) {
    let listening: Option<Signal> =
        signal(kind).inspect_err(|error| tracing::warn!(%error, "cannot listen for a signal")).ok();
    match listening {
        Some(mut signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

/// `nohup` starts a program so that it ignores SIGHUP; it has to go on doing so. Where the system does
/// not tell, SIGHUP is left as it is.
fn is_hangup_heard() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !ignores_hangup(&status))
}

/// Whether SIGHUP, number 1, is among the ignored signals of a process's status.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bit_of_the_ignored_signals_is_sighup() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000001000\n", false),
            ("Name:\tx\nSigIgn:\t0000000000001001\n", true),
            ("Name:\tx\n", true),
        ] {
            assert_eq!(ignores_hangup(status), expected, "{status:?}");
        }
    }
}
