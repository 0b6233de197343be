//! docs/metrics.md has this program's metrics as the code describes them.

#[test]
fn the_page_lists_what_the_code_describes() -> Result<(), String> {
    program::check_metrics_page("intake", intake_cli::METRICS)
}
