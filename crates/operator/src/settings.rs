//! `streamer settings`: what decides whether an event is on time, late or dead, shown and changed.

use std::time::Duration;

use anyhow::Context;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use program::{duration_text, print, table};
use store::{ExplicitSettings, Settings};

use crate::Exit;
use crate::args::{DatabaseCommandArgs, parse_setting};

/// What can be done about the settings.
#[derive(Subcommand, Clone, Debug)]
pub enum SettingsCommand {
    /// Show the stored settings
    Show(DatabaseCommandArgs),
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
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

/// `streamer settings show`
pub async fn show(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = args.open().await?;
    let settings = store::load_settings(&mut connection)
        .await?
        .context("no settings are stored yet: the first start of the streamer stores them")?;
    print(settings_table(&settings))?;
    Ok(Exit::Done)
}

/// `streamer settings set`
pub async fn set(args: &SetSettingsArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let given = ExplicitSettings {
        watermark_delay: args.watermark_delay,
        max_future_skew: args.max_future_skew,
        business_timezone: args.business_timezone,
    };
    print(settings_table(&store::change_settings(&mut connection, given).await?))?;
    Ok(Exit::Done)
}

fn settings_table(settings: &Settings) -> String {
    let rows = [
        ["WATERMARK_DELAY", &duration_text(settings.watermark_delay)],
        ["MAX_FUTURE_SKEW", &duration_text(settings.max_future_skew)],
        ["BUSINESS_TIMEZONE", settings.business_timezone.name()],
    ];
    table(["setting", "value"], rows.map(|row| row.map(str::to_owned)))
}
