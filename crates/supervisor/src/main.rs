//! The entrypoint of a tenant machine's image.

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisor::main_from_env()
}
