//! `cargo run`: the whole platform on this machine.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    local::run(local::Arguments::parse())
}
