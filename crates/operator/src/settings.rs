//! `streamer settings`: what decides whether an event is on time, late or dead, shown and changed.

use std::time::Duration;

use anyhow::Context;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use program::{duration_text, print, table};
use serde_json::json;
use store::{ExplicitSettings, Settings};

use crate::Exit;
use crate::args::{QuestionArgs, parse_setting};

/// What can be done about the settings.
#[derive(Subcommand, Clone, Debug)]
pub enum SettingsCommand {
    /// Show the stored settings
    Show(QuestionArgs),
    /// Change settings for everybody; running streamers take them over at their next flush
    Set(SetSettingsArgs),
}

/// Arguments of `settings set`.
#[derive(Args, Clone, Debug)]
#[group(id = "setting", required = true, multiple = true,
        args = ["watermark_delay", "max_future_skew", "business_timezone"])]
pub struct SetSettingsArgs {
    /// How long a window waits for stragglers after its end
    #[arg(long, value_parser = parse_setting)]
    pub watermark_delay: Option<Duration>,
    /// How far an event may be ahead of its record
    #[arg(long, value_parser = parse_setting)]
    pub max_future_skew: Option<Duration>,
    /// Time zone whose midnights bound a business day
    #[arg(long)]
    pub business_timezone: Option<Tz>,
    /// How to answer, and where the database is.
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// `streamer settings show`
pub async fn show(args: &QuestionArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let settings = store::load_settings(&mut connection)
        .await?
        .context("no settings are stored yet: the first start of the streamer stores them")?;
    print(settings_text(&settings, args.json))?;
    Ok(Exit::Done)
}

/// `streamer settings set`
pub async fn set(args: &SetSettingsArgs) -> anyhow::Result<Exit> {
    let mut connection = args.question.database.open().await?;
    let given = ExplicitSettings {
        watermark_delay: args.watermark_delay,
        max_future_skew: args.max_future_skew,
        business_timezone: args.business_timezone,
    };
    let settings = store::change_settings(&mut connection, given).await?;
    print(settings_text(&settings, args.question.json))?;
    Ok(Exit::Done)
}

/// For people durations as they are typed; for programs in milliseconds, as they are stored.
fn settings_text(settings: &Settings, is_json: bool) -> String {
    if is_json {
        let document = json!({
            "version": 1,
            "watermark_delay_ms": settings.watermark_delay.as_millis() as u64,
            "max_future_skew_ms": settings.max_future_skew.as_millis() as u64,
            "business_timezone": settings.business_timezone.name(),
        });
        return format!("{document}\n");
    }
    let rows = [
        ["WATERMARK_DELAY", &duration_text(settings.watermark_delay)],
        ["MAX_FUTURE_SKEW", &duration_text(settings.max_future_skew)],
        ["BUSINESS_TIMEZONE", settings.business_timezone.name()],
    ];
    table(["setting", "value"], rows.map(|row| row.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn people_read_durations_as_they_type_them_and_programs_read_milliseconds() {
        let settings = Settings { watermark_delay: Duration::from_secs(90), ..Settings::default() };
        let text = settings_text(&settings, false);
        for row in ["WATERMARK_DELAY    1m 30s\n", "MAX_FUTURE_SKEW    5m\n"] {
            assert!(text.contains(row), "{text}");
        }
        let answer: Value = serde_json::from_str(&settings_text(&settings, true)).unwrap();
        let expected = json!({
            "version": 1,
            "watermark_delay_ms": 90_000,
            "max_future_skew_ms": 300_000,
            "business_timezone": "UTC",
        });
        assert_eq!(answer, expected);
    }
}
