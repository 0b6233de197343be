//! Sessions: connecting, and the settings that are stored for everybody.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod settings;
