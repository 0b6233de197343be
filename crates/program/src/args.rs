//! Command-line arguments that more than one program has. Each is also an environment variable.

use std::fmt;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Where PostgreSQL is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// PostgreSQL, as `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    #[arg(
        long,
        // The default without its password.
        help = "PostgreSQL, as postgres://USER:PASSWORD@HOST:PORT/DATABASE \
                [default: postgres://telecom_user:***@localhost:5432/telecom_db]",
        env = "DATABASE_URL",
        hide_env_values = true,
        hide_default_value = true,
        default_value = "postgres://telecom_user:telecom_pass@localhost:5432/telecom_db"
    )]
    pub database_url: Secret,
}

/// How the program logs. The level comes from `RUST_LOG` (default `info`).
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Form of the log lines on standard error
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per line.
    Json,
}

/// A string that must not appear in logs, errors or `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The string itself; the caller must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads a duration such as `200ms`, `30s`, `2m` or `1h 30m`.
///
/// # Errors
/// A sentence that names the value and the accepted form.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, like 200ms, 30s or 2m"))
}

/// A duration as [`parse_duration`] reads it: `2m`, not `120s`.
pub fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, expected) in [
            ("200ms", Some(Duration::from_millis(200))),
            ("30s", Some(Duration::from_secs(30))),
            ("2m", Some(Duration::from_secs(120))),
            ("0s", Some(Duration::ZERO)),
            ("30", None),
            ("", None),
            ("-1s", None),
        ] {
            assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_help_shows_the_default_database_without_its_password() {
        let command = DatabaseArgs::augment_args(clap::Command::new("program"));
        let argument = command.get_arguments().next().unwrap();
        let default = argument.get_default_values()[0].to_str().unwrap();
        let shown = format!("[default: {}]", default.replace(":telecom_pass@", ":***@"));
        let help = command.clone().render_help().to_string();
        assert!(help.contains(&shown), "{shown}: {help}");
        assert!(!help.contains("telecom_pass"), "{help}");
    }

    #[test]
    fn a_duration_is_shown_in_a_form_that_can_be_typed_again() {
        for (text, expected) in [
            ("0s", "0s"),
            ("200ms", "200ms"),
            ("1.5s", "1s 500ms"),
            ("120s", "2m"),
            ("90m", "1h 30m"),
            ("500days", "1year 4months 12days 23h 45m 36s"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration_text(duration), expected);
            assert_eq!(parse_duration(expected), Ok(duration), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_in_its_debug_output() {
        let args = DatabaseArgs { database_url: "postgres://u:hunter2@h/db".into() };
        assert!(!format!("{args:?}").contains("hunter2"));
    }
}
