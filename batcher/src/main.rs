//! The program `batcher`: parses its arguments, runs, and turns the end into an exit code.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use batcher::{Config, run, run_metrics};
use program::{Reply, Serving, StandardOutput, metrics_text, run_program, serve};

fn main() -> ExitCode {
    let arguments = Config::from_arguments(std::env::args_os());
    run_program(
        arguments,
        |config| &config.log,
        async |config| {
            let _serving = serve_metrics(config.metrics.metrics_addr.as_deref()).await?;
            let mut output = StandardOutput::new();
            let exit = run(config, &mut output).await?;
            output.finish()?;
            Ok(exit.into())
        },
    )
}

/// Says that a run is under way, until it has ended.
async fn serve_metrics(address: Option<&str>) -> anyhow::Result<Option<Serving>> {
    let Some(address) = address else { return Ok(None) };
    let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let registry = run_metrics(started_at.as_secs_f64());
    let answer = move |path: &str| match path {
        "/metrics" => Some(Reply::metrics(metrics_text(&[&registry]))),
        "/healthz" | "/readyz" => Some(Reply::text(true, "a run is under way")),
        _ => None,
    };
    serve(address, answer).await.map(Some)
}
