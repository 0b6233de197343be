//! `sqlx::migrate!` embeds the files below migrations/: build again when they change.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
