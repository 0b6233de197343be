//! What can go wrong at the database, and whether trying again can help.

use thiserror::Error;

use windowing::SketchError;

use crate::{ServerError, Target};

/// A failed database operation. `Display` names what was tried and the way out; the cause is in
/// [`std::error::Error::source`].
#[derive(Debug, Error)]
pub enum StoreError {
    /// DATABASE_URL is not a PostgreSQL address. The address itself is not shown: it holds a password.
    #[error("DATABASE_URL can't be read; write postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address(#[source] sqlx::Error),
    /// The server could not be reached, or refused us.
    #[error("cannot connect to PostgreSQL {target}; is it running, and is DATABASE_URL right?")]
    Connect {
        /// User, host, port and database, without the password.
        target: Target,
        /// The driver's reason.
        source: ServerError,
    },
    /// None of the servers that the address names will do.
    #[error("no server of {target} will do (target_session_attrs={wanted}): {found}")]
    NoServer {
        /// User, hosts, ports and database, without the password.
        target: Target,
        /// Which server was looked for.
        wanted: String,
        /// Each server, and why it will not do.
        found: String,
    },
    /// The database can't hold every event's text.
    #[error(
        "database {target} has encoding {found}; the pipeline needs one created with ENCODING 'UTF8'"
    )]
    Encoding {
        /// User, server and database, without the password.
        target: Target,
        /// The server's encoding.
        found: String,
    },
    /// Tables of our names exist that we did not make.
    #[error(
        "the database already has tables that these programs did not create: {0}; \
         use another database, or rename those tables"
    )]
    ForeignTables(String),
    /// The replaced system's tables are there.
    #[error(
        "the database holds tables of the replaced system: {0}; run `streamer migrate --adopt`, \
         which renames them to …_legacy and copies their rows"
    )]
    ReplacedSystem(String),
    /// The replaced system's tables could not be adopted.
    #[error(
        "adopting the replaced system's tables failed while {doing}, and nothing was changed; \
         run it as their owner while nothing else uses them"
    )]
    Adopting {
        /// What was being done.
        doing: &'static str,
        /// The server's answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The schema is older than this program, and was not or could not be changed from here.
    #[error(
        "the database schema is not up to date; run `streamer migrate` as the owner of the database"
    )]
    NeedsMigration(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// Nobody has set the database up.
    #[error(
        "the database has no tables of the pipeline yet; the first start of the streamer makes them, \
         and so does `streamer migrate`, as the owner of the database"
    )]
    NotSetUp,
    /// The schema has to be changed, and this server only follows another one.
    #[error(
        "the database schema is not up to date, and this server is a standby, which can't be changed; \
         let DATABASE_URL name the primary, and the standby follows by itself"
    )]
    Standby,
    /// The schema is newer than this program, and this program may not run on it.
    #[error(
        "the database schema has migration {0}, on which a program this old can't run; install a newer version of it"
    )]
    SchemaTooNew(i64),
    /// The schema could not be changed because somebody holds a table.
    #[error(
        "the schema could not be changed within {}: {holders}; let that session end, or end it \
         with SELECT pg_terminate_backend(PID), and start again",
        humantime::format_duration(*waited)
    )]
    TablesInUse {
        /// How long it was tried.
        waited: std::time::Duration,
        /// The sessions that hold our tables.
        holders: String,
    },
    /// No program has stored the settings yet.
    #[error("the database has no settings yet; the first start of the streamer stores them")]
    NoSettings,
    /// A setting was given that differs from the stored one.
    #[error(
        "{name} is given as {given}, but this database was set up with {stored}; settings decide which \
         events are late: leave {name} unset, or change it for everybody with `streamer settings set`"
    )]
    SettingDiffers {
        /// Name of the environment variable.
        name: &'static str,
        /// What this start asked for.
        given: String,
        /// What the database says.
        stored: String,
    },
    /// A permission for a partition that does not wait for one.
    #[error(
        "partition {partition} of {topic} is not halted by a loss, so there is none to accept; \
         `streamer gaps` lists what is halted, and why"
    )]
    NotHalted {
        /// Kafka's name of the topic.
        topic: String,
        /// Kafka's number of the partition, from 0.
        partition: i32,
    },
    /// Going on may count records a second time.
    #[error(
        "up to {records} records of partition {partition} of {topic} that were counted may be counted again: they may still be in the log, or \
         copies of them where it is not known on which Kafka cluster the topic was counted. If that is wanted: --count-again"
    )]
    MayCountAgain {
        /// Kafka's name of the topic.
        topic: String,
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// So many were counted.
        records: i64,
    },
    /// The topic's rows are of another cluster.
    #[error(
        "the database counts topic {topic} on Kafka cluster {theirs}, and this is cluster {ours}, where the same offsets are other \
         records: let KAFKA_BOOTSTRAP_SERVERS name that cluster, or go on here with \
         `streamer move --topic {topic} --to SERVERS`"
    )]
    OtherCluster {
        /// Kafka's name of the topic.
        topic: String,
        /// The cluster that is read.
        ours: String,
        /// The cluster that the rows are of.
        theirs: String,
    },
    /// The topic is new to the database, which counts another cluster's topics.
    #[error(
        "the database has never met topic {topic} of Kafka cluster {ours}, and counts topic {counted} of cluster {theirs}: were it a copy \
         of that, each event would be counted a second time. If it is one, go on in it with \
         `streamer move --topic {counted} --to SERVERS --to-topic {topic}`; if it holds other events: --not-a-copy {ours}"
    )]
    PerhapsACopy {
        /// Kafka's name of the topic.
        topic: String,
        /// The cluster that is read.
        ours: String,
        /// A topic that is counted.
        counted: String,
        /// The cluster that this one is of.
        theirs: String,
    },
    /// A stored value that no program of ours wrote.
    #[error("the database holds a value that can't be used: {0}")]
    BadValue(String),
    /// A count of subscribers that is not as it was stored.
    #[error(
        "the row ({row}) of subscriber_sketches can't be used; restore it, or delete it: \
         avg_data_per_user_mb of that day is NULL then where the row counts"
    )]
    DamagedSketch {
        /// Its key: day, time zone, event type and region.
        row: String,
        /// What is wrong with it.
        source: SketchError,
    },
    /// The server does nothing for us any more, and we were not told.
    #[error(
        "session {pid} of the database has ended, or its answer was lost on the way ({waited:.0?} since \
         the start); run it again: what was not committed has changed nothing"
    )]
    SessionLost {
        /// The session's process id at the server.
        pid: i32,
        /// Since the watch began.
        waited: std::time::Duration,
    },
    /// The pipeline's tables are where this session does not look.
    #[error(
        "the pipeline's tables are in schema {0}, where the search_path of this role does not lead; \
         ALTER ROLE … SET search_path so that it does, or use another database"
    )]
    OtherSchema(String),
    /// The server did not answer at all.
    #[error("the database has not answered for {}", humantime::format_duration(*.0))]
    NoAnswer(std::time::Duration),
    /// Any other statement that failed.
    #[error("{doing} failed{}", remedy(source).unwrap_or_default())]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The server's answer.
        source: ServerError,
    },
}

/// What mends a failure that no waiting cures, to be said behind what failed.
fn remedy(source: &ServerError) -> Option<&'static str> {
    // The server may speak any language: what it means is told by its code, and by the name of the
    // function that refused.
    match (source.sqlstate()?, source.routine()) {
        ("55000", Some("CheckCmdReplicaIdentity")) => Some(
            "; a publication holds a table that has no replica identity: \
             ALTER TABLE … REPLICA IDENTITY FULL, or take the table out of the publication",
        ),
        ("42501", Some("check_enable_rls" | "ExecWithCheckOptions")) => Some(
            "; row level security of a table of ours would hide rows from this role: \
             ALTER TABLE … DISABLE ROW LEVEL SECURITY, or ALTER ROLE … BYPASSRLS",
        ),
        ("42501", _) => {
            Some("; a right is missing: run deploy/roles.sql as the owner of the database")
        }
        ("42P01" | "42703", _) => Some(
            "; a table or column of ours is gone, or search_path differs: docs/operations.md, \
             \"Messages about the database\"",
        ),
        ("3F000", _) => Some("; search_path of this role names no schema that exists"),
        ("25006", _) => Some(
            "; nothing may be written here: the server follows another one (let DATABASE_URL name \
             the primary, or all of them and ?target_session_attrs=read-write), or default_transaction_read_only is on for the server, the database or \
             the role; some hosts set it when the disk is full",
        ),
        _ => None,
    }
}

impl StoreError {
    /// Wraps a statement's failure with what was being done.
    pub fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |source| StoreError::Sql { doing, source: source.into() }
    }

    /// The server's five-character SQLSTATE, where it gave one.
    pub fn sqlstate(&self) -> Option<String> {
        let (StoreError::Sql { source, .. } | StoreError::Connect { source, .. }) = self else {
            return None;
        };
        Some(source.as_database_error()?.code()?.into_owned())
    }

    /// Whether the same work can succeed later without anybody changing it: the one place where
    /// this is decided.
    ///
    /// A refused value (classes 22, 23, 54) or a missing right does not go away by waiting; a
    /// broken connection, a full disk, a restart, a lock or a serialisation failure does.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Sql { .. } | StoreError::Connect { .. } => match self.sqlstate() {
                None => true,
                // object not in prerequisite state: a published table without replica identity
                Some(state) if state == "55000" => false,
                Some(state) => matches!(
                    &state[..2],
                    // connection, transaction rollback (deadlock, serialisation), insufficient
                    // resources, object not in state (lock not available), operator
                    // intervention (shutdown, statement timeout), system error, bad transaction
                    // state (a session the server ended while it idled inside a transaction)
                    "08" | "40" | "53" | "55" | "57" | "58" | "25"
                ),
            },
            StoreError::NoAnswer(_) | StoreError::NoServer { .. } => true,
            _ => false,
        }
    }

    /// Whether a server answered that may not be written to: passes within seconds where another one
    /// takes over.
    pub fn is_not_writable(&self) -> bool {
        const READ_ONLY_SQL_TRANSACTION: &str = "25006";
        matches!(self, StoreError::NoServer { .. })
            || self.sqlstate().is_some_and(|state| state == READ_ONLY_SQL_TRANSACTION)
    }

    /// Whether a lock was waited for too long.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        const LOCK_NOT_AVAILABLE: &str = "55P03";
        self.sqlstate().is_some_and(|state| state == LOCK_NOT_AVAILABLE)
    }

    /// Whether the work took too long: the server cancelled a statement, or did not answer at all.
    pub fn is_timeout(&self) -> bool {
        const QUERY_CANCELED: &str = "57014";
        matches!(self, StoreError::NoAnswer(_))
            || self.sqlstate().is_some_and(|state| state == QUERY_CANCELED)
    }

    /// Whether the server refused a value that we sent: no waiting helps, and leaving that value
    /// out would.
    pub fn is_refused_value(&self) -> bool {
        self.sqlstate().is_some_and(|state| matches!(&state[..2], "22" | "23" | "44" | "54" | "P0"))
    }
}
