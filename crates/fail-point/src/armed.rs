//! What happens at a fail point of a program that was built for the tests.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "FAIL_POINT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Abort,
    Stop,
}

/// What the variable asks for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    name: String,
    action: Action,
    pass: u64,
}

impl Order {
    fn parse(text: &str) -> Option<Order> {
        let mut words = text.split(':');
        let name = words.next()?.to_owned();
        let action = match words.next()? {
            "abort" => Action::Abort,
            "stop" => Action::Stop,
            _ => return None,
        };
        let pass = words.next().map_or(Some(1), |number| number.parse().ok())?;
        Some(Order { name, action, pass })
    }
}

pub(crate) fn reached(name: &str) {
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);
    let order = ORDER.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        // A test that is mistyped must not pass because nothing happens.
        Some(Order::parse(&text).unwrap_or_else(|| panic!("{VARIABLE}={text}: no such order")))
    });
    let Some(order) = order.as_ref().filter(|order| order.name == name) else { return };
    if PASSES.fetch_add(1, Ordering::SeqCst) + 1 == order.pass {
        carry_out(order);
    }
}

fn carry_out(order: &Order) {
    let Order { name, action, pass } = order;
    // Nobody could be told of a failure to write.
    writeln!(std::io::stderr(), "fail point {name}, pass {pass}: {action:?}").ok();
    match action {
        Action::Abort => std::process::abort(),
        Action::Stop => {
            let id = std::process::id().to_string();
            let stopped = Command::new("/bin/kill").args(["-STOP", &id]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "cannot stop at {name}");
        }
    }
}

pub(crate) async fn reached_once_waiting<T>(
    name: &'static str,
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    let mut is_first = true;
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() && std::mem::take(&mut is_first) {
            reached(name);
        }
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_point_an_action_and_a_pass() {
        let order = |name: &str, action, pass| Some(Order { name: name.to_owned(), action, pass });
        for (text, expected) in [
            ("assigned:abort", order("assigned", Action::Abort, 1)),
            ("assigned:stop:7", order("assigned", Action::Stop, 7)),
            ("assigned", None),
            ("assigned:explode", None),
            ("assigned:abort:soon", None),
        ] {
            assert_eq!(Order::parse(text), expected, "{text}");
        }
    }
}
