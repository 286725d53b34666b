//! Installs the pinned gateway of a family and prints the argv prefix that starts it, as `ROCKPOOL_GATEWAY_PROGRAM` takes it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gateway::{Family, pin};
use image::Bar;

/// Install the pinned gateway of a family.
#[derive(Debug, Parser)]
#[command(name = "install-gateway")]
struct Arguments {
    /// `openclaw` or `clawdbot`.
    #[arg(long)]
    family: Family,
    /// The folder it goes to.
    #[arg(long)]
    into: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { family, into } = Arguments::parse();
    let outcome = image::install(family, &into, &mut Bar::new(pin(family).release().to_string()));
    match outcome {
        Ok(installed) => {
            println!("{}", serde_json::json!(installed.program));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot install {family}: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
