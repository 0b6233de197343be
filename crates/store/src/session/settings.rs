//! The settings that decide whether an event is on time, late or dead. They live in the database,
//! so that no two workers and no two lives of a worker can disagree (I-3).

use std::time::Duration;

use chrono_tz::Tz;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::StoreError;

/// Held while rows are made for new partitions, so that two first starts agree. Any constant does.
pub(crate) const FIRST_CONTACT_LOCK: i64 = 0x7465_6c65_636f_6d31;

/// What all programs of one database must agree on, as the table `settings` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far the watermark stays behind the highest event time; whole milliseconds.
    pub watermark_delay: Duration,
    /// How far an event may be ahead of its record; whole milliseconds.
    pub max_future_skew: Duration,
    /// The time zone whose midnights bound a business day.
    pub business_timezone: Tz,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            watermark_delay: Duration::from_secs(120),
            max_future_skew: Duration::from_secs(300),
            business_timezone: Tz::UTC,
        }
    }
}

/// Settings that this start was given explicitly; `None`: take the stored one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplicitSettings {
    /// WATERMARK_DELAY
    pub watermark_delay: Option<Duration>,
    /// MAX_FUTURE_SKEW
    pub max_future_skew: Option<Duration>,
    /// BUSINESS_TIMEZONE
    pub business_timezone: Option<Tz>,
}

/// Reads the stored settings; `None` when no streamer has ever started here.
///
/// # Errors
/// A failed statement, or a stored value that can't be used.
pub async fn load_settings(connection: &mut PgConnection) -> Result<Option<Settings>, StoreError> {
    let row: Option<(i64, i64, String)> = sqlx::query_as(
        "SELECT watermark_delay_ms, max_future_skew_ms, business_timezone FROM settings",
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::sql("reading the settings"))?;
    row.map(|(delay, skew, zone)| Settings::from_stored(delay, skew, &zone)).transpose()
}

impl Settings {
    /// Converts the stored columns.
    pub(crate) fn from_stored(delay_ms: i64, skew_ms: i64, zone: &str) -> Result<Self, StoreError> {
        let millis = |name: &str, value: i64| {
            u64::try_from(value)
                .map(Duration::from_millis)
                .map_err(|_| StoreError::BadValue(format!("settings.{name} = {value}")))
        };
        Ok(Settings {
            watermark_delay: millis("watermark_delay_ms", delay_ms)?,
            max_future_skew: millis("max_future_skew_ms", skew_ms)?,
            business_timezone: zone.parse().map_err(|_| {
                StoreError::BadValue(format!("settings.business_timezone = {zone}"))
            })?,
        })
    }
}

/// Stores the settings at the first start ever; afterwards checks that what was given explicitly
/// is what is stored. Returns the stored ones.
///
/// # Errors
/// [`StoreError::SettingDiffers`], or a failed statement.
pub async fn agree_settings(
    connection: &mut PgConnection,
    given: ExplicitSettings,
) -> Result<Settings, StoreError> {
    if let Some(stored) = load_settings(connection).await? {
        return given.check_against(stored);
    }
    insert_settings(connection, given).await?;
    let stored = load_settings(connection).await?.ok_or(StoreError::NoSettings)?;
    given.check_against(stored)
}

/// Stores the first settings. Two programs that do so at once: the first one wins.
async fn insert_settings(
    connection: &mut PgConnection,
    given: ExplicitSettings,
) -> Result<(), StoreError> {
    let defaults = Settings::default();
    sqlx::query(
        "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
         VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(as_millis(given.watermark_delay.unwrap_or(defaults.watermark_delay)))
    .bind(as_millis(given.max_future_skew.unwrap_or(defaults.max_future_skew)))
    .bind(given.business_timezone.unwrap_or(defaults.business_timezone).name())
    .execute(connection)
    .await
    .map_err(StoreError::sql("storing the settings"))?;
    Ok(())
}

/// Changes the settings that are given. Before the first start of a streamer it stores them, with the
/// defaults for the others. Every partition's epoch rises with them, so that no worker
/// stores what it judged by the old ones: it is fenced, and reads them again.
///
/// # Errors
/// A failed statement; nothing was changed then.
pub async fn change_settings(
    connection: &mut PgConnection,
    given: ExplicitSettings,
) -> Result<Settings, StoreError> {
    let doing = "changing the settings";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    // No row may be made meanwhile: it would keep the old epoch. Then in the flush's order.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(FIRST_CONTACT_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    sqlx::query("SELECT FROM stream_progress ORDER BY topic, generation, partition FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    if load_settings(&mut transaction).await?.is_none() {
        insert_settings(&mut transaction, given).await?;
    }
    sqlx::query(
        "UPDATE settings
         SET watermark_delay_ms = COALESCE($1, watermark_delay_ms),
             max_future_skew_ms = COALESCE($2, max_future_skew_ms),
             business_timezone = COALESCE($3, business_timezone),
             updated_at = now()",
    )
    .bind(given.watermark_delay.map(as_millis))
    .bind(given.max_future_skew.map(as_millis))
    .bind(given.business_timezone.map(|zone| zone.name()))
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::sql(doing))?;
    sqlx::query("UPDATE stream_progress SET epoch = epoch + 1")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    let changed = load_settings(&mut transaction).await?.ok_or(StoreError::NoSettings)?;
    transaction.commit().await.map_err(StoreError::sql(doing))?;
    Ok(changed)
}

impl ExplicitSettings {
    /// The stored settings, if nothing given explicitly differs from them.
    ///
    /// # Errors
    /// [`StoreError::SettingDiffers`] for the first that does.
    pub fn check_against(self, stored: Settings) -> Result<Settings, StoreError> {
        let duration = |name, given: Option<Duration>, stored: Duration| match given {
            Some(given) if given != stored => Err(StoreError::SettingDiffers {
                name,
                given: humantime::format_duration(given).to_string(),
                stored: humantime::format_duration(stored).to_string(),
            }),
            _ => Ok(()),
        };
        duration("WATERMARK_DELAY", self.watermark_delay, stored.watermark_delay)?;
        duration("MAX_FUTURE_SKEW", self.max_future_skew, stored.max_future_skew)?;
        match self.business_timezone {
            Some(given) if given != stored.business_timezone => Err(StoreError::SettingDiffers {
                name: "BUSINESS_TIMEZONE",
                given: given.name().to_owned(),
                stored: stored.business_timezone.name().to_owned(),
            }),
            _ => Ok(stored),
        }
    }
}

fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
