//! The stand-in gateway as a program of its own, for this crate's tests. It is no part of the image.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    arguments: stand_in::Arguments,
}

fn main() -> ExitCode {
    stand_in::run(Program::parse().arguments)
}
