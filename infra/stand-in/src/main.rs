use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "stand-in", about = "A small gateway, as strict as the real ones")]
struct Program {
    #[command(flatten)]
    arguments: stand_in::Arguments,
}

fn main() -> ExitCode {
    stand_in::run(Program::parse().arguments)
}
