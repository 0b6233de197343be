//! Sessions: connecting, the schema and its migrations, the settings that are stored beside it.

pub(crate) mod adopt;
pub(crate) mod connect;
pub(crate) mod migrate;
pub(crate) mod schema_locks;
pub(crate) mod settings;
