//! The provider: a client of the [Fly.io Machines API](https://fly.io/docs/machines/api/) and what Rockpool asks of it.
//!
//! Three layers, each usable without the one above it:
//!
//! - [`Client`] and the handles it gives out ([`api::App`], [`api::Machine`]…): one method per endpoint, bounded in time, size and repeats;
//! - [`CallError`] and [`Refusal`]: every answer that is no success, classified in one table;
//! - [`Provider`]: the ports of the flows, whose `ensure_*` and `delete_*` may be called any number of times and leave exactly one of everything.
//!
//! ```no_run
//! # async fn example(transport: reqwest::Client, token: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! let client = fly::Client::new(fly::Settings::new("https://api.machines.dev".parse()?, token), transport)?;
//! for machine in client.app("rp-prod-0190").machines(&fly::api::MachineFilter::default()).await? {
//!     println!("{} is {:?}", machine.name, machine.state);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: knows nothing about instances, plans or customers; never logs or reports the token or a secret's value; never resends a request
//! that is not idempotent unless the server cannot have acted on it; never reads a machine's configuration in order to send it back.

pub mod api;
mod body;
mod call;
mod client;
mod error;
mod lenient;
mod pace;
mod provider;
mod refusal;

pub use client::{Client, Settings, SettingsError};
pub use error::{CallError, Remote};
pub use pace::Pace;
pub use provider::Provider;
pub use refusal::Refusal;
