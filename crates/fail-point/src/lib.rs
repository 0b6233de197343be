//! Named points in the programs at which a test can end or stop the process, to see what is left
//! behind. In: the variable `FAIL_POINT`, as `NAME:ACTION` or `NAME:ACTION:PASS`.
//!
//! | action | what happens at that pass (the first, if none is named) |
//! |---|---|
//! | `abort` | the process ends as by a crash: nothing is flushed, closed or said |
//! | `stop` | the process stops until it is sent SIGCONT, as a virtual machine that is paused |
//!
//! Without the feature `armed` the functions are empty, and neither the names nor the variable are in
//! the program. Only the tests build `streamer-with-fail-points`.

use std::future::Future;

#[cfg(feature = "armed")]
mod armed;

/// A point that has been reached.
#[inline(always)]
pub fn fail_point(name: &'static str) {
    #[cfg(feature = "armed")]
    armed::reached(name);
    #[cfg(not(feature = "armed"))]
    let _ = name;
}

/// Runs a future; the point is reached once it waits for the first time. For a request that is
/// sent whole: it is out then, and its answer is not here yet.
#[inline(always)]
pub async fn fail_point_once_waiting<T>(name: &'static str, future: impl Future<Output = T>) -> T {
    #[cfg(feature = "armed")]
    return armed::reached_once_waiting(name, future).await;
    #[cfg(not(feature = "armed"))]
    {
        let _ = name;
        future.await
    }
}
