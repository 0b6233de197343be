//! Mapping files for sources that many operators have. `intake profile NAME` prints one, to be adapted.

/// A ready-made mapping file.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// The mapping file.
    pub text: &'static str,
}

macro_rules! profile {
    ($name:literal) => {
        Profile { name: $name, text: include_str!(concat!("../profiles/", $name, ".toml")) }
    };
}

/// All, in the order in which `intake profile` lists them.
pub const PROFILES: [Profile; 9] = [
    profile!("asterisk-csv"),
    profile!("asterisk-cdr-pgsql"),
    profile!("asterisk-connect"),
    profile!("freeswitch-csv"),
    profile!("freeswitch-json"),
    profile!("kamailio-acc"),
    profile!("freeradius-radacct"),
    profile!("freeradius-interim"),
    profile!("mediation-csv"),
];
