use std::path::Path;

use clap::{Args, Subcommand};
use gateway::Family;

/// The command line: which family it stands in for, then exactly what that family takes.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// `openclaw` or `clawdbot`.
    #[arg(long)]
    pub family: Family,
    /// The gateway's own command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the real programs that are needed to host them.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve.
    Gateway {
        /// The port; that of the configuration or 18789 where it is not given.
        #[arg(long)]
        port: Option<u16>,
        /// The address to bind to. Without authentication only `loopback` is accepted, as by the real ones.
        #[arg(long)]
        bind: Option<String>,
    },
    /// Look at the state and repair it.
    Doctor {
        /// Ask nothing.
        #[arg(long)]
        non_interactive: bool,
        /// Repair.
        #[arg(long)]
        fix: bool,
        /// Answer every question with yes.
        #[arg(long)]
        yes: bool,
    },
}

/// The argv prefix that starts the stand-in of a family: an executable and, where it has subcommands, the one that calls [`crate::run`].
#[must_use]
pub fn program(executable: &Path, subcommand: &[&str], family: Family) -> Vec<String> {
    let mut argv = vec![executable.to_string_lossy().into_owned()];
    argv.extend(subcommand.iter().map(|part| (*part).to_owned()));
    argv.extend(["--family".to_owned(), family.to_string()]);
    argv
}
