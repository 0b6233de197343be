//! DATABASE_URL: one server, or several of which one may be written to, as libpq writes them.
//!
//! In: `postgres://USER:PASSWORD@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?OPTION=…&…]`. Out: the servers in
//! the order in which they are tried, and which of them will do. The driver knows one server an address,
//! so an address of several is taken apart here. Meaning of the options as in the PostgreSQL manual,
//! "Connection URIs" and `target_session_attrs`.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::Target;

/// Options of an address that the driver knows.
const KNOWN_OPTIONS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
/// The options that may hold a list, an element for each server.
const OF_A_SERVER: [&str; 3] = ["host", "hostaddr", "port"];
/// The option that is ours to carry out: the driver does not know it.
const TARGET_SESSION_ATTRS: &str = "target_session_attrs";

/// Which server will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The first that lets us in.
    Any,
    /// One that can be written to.
    ReadWrite,
    /// One that can't.
    ReadOnly,
    /// One that follows no other.
    Primary,
    /// One that follows another.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl Wanted {
    const ALL: [(&str, Wanted); 6] = [
        ("any", Wanted::Any),
        ("read-write", Wanted::ReadWrite),
        ("read-only", Wanted::ReadOnly),
        ("primary", Wanted::Primary),
        ("standby", Wanted::Standby),
        ("prefer-standby", Wanted::PreferStandby),
    ];

    /// What is wrong with a server, `None` if it will do. `prefer-standby` is asked of a first round;
    /// in a second one every server will do.
    pub(crate) fn objection(self, is_standby: bool, is_read_only: bool) -> Option<&'static str> {
        match self {
            Wanted::ReadWrite if is_standby => Some("it follows another server"),
            Wanted::ReadWrite if is_read_only => Some("default_transaction_read_only is on there"),
            Wanted::ReadOnly if !is_read_only => Some("it can be written to"),
            Wanted::Primary if is_standby => Some("it follows another server"),
            Wanted::Standby | Wanted::PreferStandby if !is_standby => Some("it is no standby"),
            _ => None,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Wanted::ALL[*self as usize];
        f.write_str(name)
    }
}

/// The servers of one address.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// In the order in which they are tried; at least one.
    pub(crate) servers: Vec<PgConnectOptions>,
    /// Which of them will do.
    pub(crate) wanted: Wanted,
}

impl Address {
    /// Reads an address. One that is mistyped so that a part of its password would be taken for a host,
    /// a database or an option is refused: messages show these.
    pub(crate) fn parse(database_url: &str) -> Result<Self, sqlx::Error> {
        let (scheme, rest) = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| Some((scheme, database_url.strip_prefix(scheme)?)))
            .ok_or_else(|| problem("it does not begin with postgres://"))?;
        // The first of these ends user, password, host and port; in a password they are written %2F, …
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if rest.rfind('@').is_some_and(|at| at > end) {
            return Err(problem(
                "after the first `/`, `?` or `#` comes an `@`: write them as %2F, %3F, %23, %40",
            ));
        }
        let (authority, behind) = rest.split_at(end);
        let (login, hosts) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let (wanted, options) = known_options(query)?;
        let servers = servers(hosts, &options)?
            .iter()
            .map(|(host, options)| {
                parse_one(&format!("{scheme}{login}{host}{path}{}", written(options)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Address { servers, wanted })
    }

    /// All of them, as messages call them.
    pub(crate) fn target(&self) -> Target {
        Target::of_all(&self.servers)
    }
}

fn problem(text: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Configuration(text.into().into())
}

/// One server's address, as the driver reads it.
fn parse_one(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?;
    // An address of IPv6 stands in brackets in a URL alone; the driver would look for such a name.
    let literal = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok(match literal.map(str::to_owned) {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// The options of an address as they are written, by name.
type Options<'a> = Vec<(&'a str, &'a str)>;

/// Leaves out what the driver does not know, and says so: the driver would log the values as well.
fn known_options(query: &str) -> Result<(Wanted, Options<'_>), sqlx::Error> {
    let mut wanted = Wanted::Any;
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if name == TARGET_SESSION_ATTRS {
            let named = Wanted::ALL.iter().find(|(name, _)| *name == value);
            let names = Wanted::ALL.map(|(name, _)| name).join(", ");
            let unknown = || problem(format!("{TARGET_SESSION_ATTRS} must be one of {names}"));
            wanted = named.ok_or_else(unknown)?.1;
        } else if KNOWN_OPTIONS.contains(&name) || name.starts_with("options[") {
            options.push((name, value));
        } else {
            tracing::warn!(
                option = name,
                "an option of DATABASE_URL is not known here, and is ignored"
            );
        }
    }
    Ok((wanted, options))
}

/// Each server's host (with its port, as in a URL) and options.
fn servers<'a>(
    hosts: &'a str,
    options: &Options<'a>,
) -> Result<Vec<(&'a str, Options<'a>)>, sqlx::Error> {
    let hosts: Vec<&str> = hosts.split(',').collect();
    // An element of a list is written `%2C` by some.
    let lists: Vec<(&str, Vec<&str>)> = options
        .iter()
        .filter(|(name, _)| OF_A_SERVER.contains(name))
        .map(|(name, value)| (*name, value.split(',').flat_map(split_encoded).collect()))
        .collect();
    let count = lists.iter().map(|(_, list)| list.len()).fold(hosts.len(), usize::max);
    let is_usable = |list: &Vec<&str>| {
        (list.len() == 1 || list.len() == count)
            && (list.len() == 1 || list.iter().all(|element| !element.is_empty()))
    };
    if !is_usable(&hosts) || !lists.iter().all(|(_, list)| is_usable(list)) {
        return Err(problem(
            "hosts and ports that are separated by commas must be as many of each, none of them empty",
        ));
    }
    let of = |list: &[&'a str], index: usize| list[if list.len() == 1 { 0 } else { index }];
    let own = |index| {
        let rest = options.iter().filter(|(name, _)| !OF_A_SERVER.contains(name)).copied();
        let chosen = lists.iter().map(|(name, list)| (*name, of(list, index)));
        chosen.chain(rest).collect()
    };
    Ok((0..count).map(|index| (of(&hosts, index), own(index))).collect())
}

/// The elements of a list whose commas are written `%2C` or `%2c`.
fn split_encoded(list: &str) -> impl Iterator<Item = &str> {
    list.split("%2C").flat_map(|part| part.split("%2c"))
}

/// The options as they stand behind an address.
fn written(options: &Options<'_>) -> String {
    if options.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> =
        options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> Result<Vec<String>, String> {
        let address = Address::parse(url).map_err(|error| format!("{error} {error:?}"))?;
        Ok(address.servers.iter().map(|server| Target::of(server).to_string()).collect())
    }

    #[test]
    fn options_that_the_driver_does_not_know_are_left_out() {
        for (query, expected) in [
            ("sslmode=require", "?sslmode=require"),
            ("sslpassword=hunter2&sslmode=require&x", "?sslmode=require"),
            ("options=-crole%3Dme", "?options=-crole%3Dme"),
            ("", ""),
        ] {
            assert_eq!(written(&known_options(query).unwrap().1), expected);
        }
    }

    #[test]
    fn messages_name_the_place_that_is_connected_to() {
        for (url, place) in [
            ("postgres://me:x@host/db", "me@host:5432/db"),
            ("postgres://me:x@[::1]:6/db", "me@[::1]:6/db"),
            ("postgres://me:x@[fd00::1]/db", "me@[fd00::1]:5432/db"),
            ("postgres://me@%2Frun%2Fpg:6/db", "me@/run/pg/.s.PGSQL.6/db"),
            ("postgres:///db?host=/run/pg&user=me", "me@/run/pg/.s.PGSQL.5432/db"),
        ] {
            assert_eq!(places(url).unwrap(), [place], "{url}");
        }
        let address = Address::parse("postgres://me@[::1]/db").unwrap();
        assert_eq!(address.servers[0].get_host(), "::1");
    }

    #[test]
    fn an_address_may_name_several_servers() {
        let (a, b) = ("me@a:5432/db", "me@b:5433/db");
        for (url, expected) in [
            ("postgres://me@a,b:5433/db", [a, b]),
            ("postgresql://me:x@a:5432,b:5433/db?sslmode=require", [a, b]),
            ("postgres:///db?user=me&host=a,b&port=5432,5433", [a, b]),
            ("postgres:///db?user=me&host=a%2Cb&port=5432%2c5433", [a, b]),
            ("postgres://me@a,b/db?port=7", ["me@a:7/db", "me@b:7/db"]),
            ("postgres://me@[::1],[::2]:6/db", ["me@[::1]:5432/db", "me@[::2]:6/db"]),
        ] {
            assert_eq!(places(url).unwrap(), expected, "{url}");
        }
        let all = Address::parse("postgres://me:hunter2@a,b:5433/db").unwrap().target();
        assert_eq!(all.to_string(), "me@a:5432,b:5433/db");
    }

    #[test]
    fn lists_that_do_not_fit_each_other_are_refused() {
        for url in [
            "postgres://me:hunter2@a,,b/db",
            "postgres://me:hunter2@a,b,/db",
            "postgres://me:hunter2@a,b,c/db?port=1,2",
            "postgres://me:hunter2@a,b/db?target_session_attrs=writable",
        ] {
            let refused = places(url).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn which_server_will_do_is_said_as_libpq_says_it() {
        let wanted = |attrs: &str| {
            Address::parse(&format!("postgres://a,b/db?target_session_attrs={attrs}"))
                .unwrap()
                .wanted
        };
        assert_eq!(Address::parse("postgres://a,b/db").unwrap().wanted, Wanted::Any);
        for (name, expected) in Wanted::ALL {
            assert_eq!((wanted(name), expected.to_string().as_str()), (expected, name));
        }
        // What will do of: a primary, one with default_transaction_read_only, a standby.
        let servers = [(false, false), (false, true), (true, true)];
        for (wanted, will_do) in [
            (Wanted::Any, [true, true, true]),
            (Wanted::ReadWrite, [true, false, false]),
            (Wanted::ReadOnly, [false, true, true]),
            (Wanted::Primary, [true, true, false]),
            (Wanted::Standby, [false, false, true]),
            (Wanted::PreferStandby, [false, false, true]),
        ] {
            let found = servers.map(|(standby, ro)| wanted.objection(standby, ro).is_none());
            assert_eq!(found, will_do, "{wanted}");
        }
    }

    #[test]
    fn an_address_whose_password_would_end_up_elsewhere_is_refused_without_showing_it() {
        for (url, is_usable) in [
            ("postgres://me:hunter2@host:5432/db", true),
            ("postgresql://me:hunter2@host/db?sslmode=require", true),
            ("postgres://host/db", true),
            ("postgres://me:h,unter2@host/db", true),
            ("postgres://me:hunter%2F2%40@host/db", true),
            ("postgres:me:hunter2@host/db", false),
            ("mysql://me:hunter2@host/db", false),
            ("me:hunter2@host/db", false),
            ("", false),
            ("postgres://me:1/hunter2@host/db", false),
            ("postgres://me:1?hunter2@host/db", false),
            ("postgres://me:1#hunter2@host/db", false),
            ("postgres://me:hunter2@host:port/db", false),
        ] {
            match places(url) {
                Ok(_) => assert!(is_usable, "{url}"),
                Err(error) => {
                    assert!(!is_usable, "{url}: {error}");
                    assert!(!error.contains("hunter2"), "{error}");
                }
            }
        }
    }
}
