//! The program of ours inside every tenant machine: it keeps the gateway running and stands before it.
//!
//! It listens before anything else and goes on listening whatever the gateway does, so that a sick machine can be reached and repaired.
//! Callers with an instance token, or a browser session that a one-time link opened, are passed on to the gateway on loopback. The
//! control plane restarts and configures it with control tokens, and nobody else can.
//!
//! ```no_run
//! // The whole of `rockpool-supervisor`, and of the subcommand of the local platform.
//! fn main() -> std::process::ExitCode {
//!     supervisor::main_from_env()
//! }
//! ```
//!
//! Two halves share a status board and nothing else: `keeper` owns the gateway's process, its configuration and its volume;
//! `front` owns the sockets. Invariants: it knows nothing about AWS or the Machines API, opens no connection but to loopback, holds no
//! private signing key, and nothing of its own secrets reaches the gateway's environment.

mod error;
mod front;
mod keeper;
mod logs;
mod run;
mod settings;
mod status;
mod tail;

pub use error::SupervisorError;
pub use run::{main_from_env, run};
pub use settings::Settings;
