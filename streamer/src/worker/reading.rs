//! What the client delivers, to the core: records, rebalances, errors.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context;
use fail_point::fail_point;
use log_reader::Polled;
use log_reader::clock;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use windowing::{Effect, Engine, Input};

use super::Worker;

/// How long one poll waits for a record at most; events and timers are looked at in between.
const POLL_WAIT: Duration = Duration::from_millis(200);
/// … and while the report of a flush is waited for as well.
const POLL_WAIT_SHORT: Duration = Duration::from_millis(20);

impl Worker {
    /// Rebalances, and errors of the client. Waits for them only where there is nothing to read.
    pub(super) fn serve_events(&mut self) -> anyhow::Result<()> {
        let wait = if self.assignment.is_empty() { self.poll_wait() } else { Duration::ZERO };
        match self.consumer.poll(wait) {
            // Not from its partition's own queue, so its order is not known: what follows it may have
            // been counted, and it would be counted as skipped (I-7). To begin again is exact.
            Some(Ok(stray)) => anyhow::bail!(
                "the Kafka client delivered offset {} of partition {} outside its queue",
                stray.offset(),
                stray.partition()
            ),
            Some(Err(error)) if self.joining.takes(error.rdkafka_error_code(), Instant::now()) => {}
            Some(Err(error)) => serve_error(error, "", &mut self.engine, &mut self.effects)?,
            None => {}
        }
        for rebalance in self.consumer.client().context().take() {
            self.serve_rebalance(rebalance)?;
        }
        self.carry_out_effects()
    }

    /// Takes the records that the client has ready; waits only for the first. Whatever is to be done
    /// ends it: what comes afterwards depends on it.
    pub(super) fn poll(&mut self) -> anyhow::Result<()> {
        let now = clock();
        let wait = if self.assignment.is_empty() { Duration::ZERO } else { self.poll_wait() };
        let (engine, effects) = (&mut self.engine, &mut self.effects);
        let joining = &mut self.joining;
        let (mut records, mut failed) = (0, Ok(()));
        self.assignment.serve(wait, |polled| {
            match polled {
                Polled::Record { partition, record } => {
                    records += 1;
                    fail_point("record_polled");
                    engine.apply(Input::Record { partition, record, now }, effects);
                    fail_point("record_counted");
                }
                Polled::End { partition, end } => {
                    joining.has_read();
                    engine.apply(Input::ReachedEnd(partition), effects);
                    // Moves the position over control records at the end of the log.
                    engine.apply(Input::EndOfLog { partition, end }, effects);
                }
                Polled::Error { error, .. }
                    if joining.takes_of_reading(error.rdkafka_error_code(), Instant::now()) => {}
                Polled::Error { error, detail } => {
                    failed = serve_error(error, detail, engine, effects)
                }
            }
            let is_over = !effects.is_empty() || failed.is_err();
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        failed?;
        if records > 0 {
            self.joining.has_read();
        }
        self.metrics.read(records);
        self.carry_out_effects()
    }

    /// A worker without anything to do costs next to nothing, and yet is not late.
    fn poll_wait(&self) -> Duration {
        if self.engine.is_flushing() {
            return POLL_WAIT_SHORT;
        }
        self.timers.until_flush(self.started_at.elapsed()).min(POLL_WAIT)
    }
}

/// Broken connections heal by themselves; a refused position and a fatal error do not.
fn serve_error(
    error: KafkaError,
    detail: &str,
    engine: &mut Engine,
    effects: &mut Vec<Effect>,
) -> anyhow::Result<()> {
    let said = if detail.is_empty() { error.to_string() } else { format!("{error}: {detail}") };
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            tracing::warn!("a position is outside its log: {said}");
            engine.apply(Input::ResetRefused, effects);
            Ok(())
        }
        // The client says of which partition in its log alone, and goes on behind them.
        Some(
            RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::NotImplemented,
        ) => {
            tracing::warn!("records that can't be read: {said}");
            engine.apply(Input::BatchUnreadable, effects);
            Ok(())
        }
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
            Err(error).context("the Kafka client can't go on")
        }
        _ => {
            tracing::warn!("Kafka: {said}");
            Ok(())
        }
    }
}
