//! A simulated Fly.io Machines API, close enough that a client cannot tell.
//!
//! [`Simulator::router`] answers the calls; a [`host::Host`] behind it runs the machines, as processes of this computer or as nothing but
//! a virtual clock. The state is kept in SQLite and written before a call is answered. A [`Script`] makes any call fail in the ways
//! in which a remote service fails.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), fly_sim::OpenError> {
//! use fly_sim::{Fault, Match, Options, Simulator};
//!
//! let simulator = Simulator::open(Options::virtual_machines()).await?;
//! simulator.script().on(Match::action("create_machine").nth(1)).then(Fault::AnswerLost);
//! let _router = simulator.router(); // for `axum::serve`, or for calls without a socket
//! assert!(simulator.inventory().is_empty());
//! # Ok(()) }
//! ```
//!
//! Invariants: the simulator knows nothing about Rockpool, its names or its images. A refused call has changed nothing. The state in a
//! machine's record alone says what is to be done with it next.

mod api;
mod calls;
mod capacity;
mod checks;
mod clock;
mod conditions;
mod engine;
mod error;
mod faults;
mod forms;
mod history;
pub mod host;
mod ids;
mod inventory;
mod limits;
mod options;
pub mod processes;
pub mod proxy;
mod records;
mod script;
mod simulator;
mod tables;
mod virtual_host;
mod world;

pub use api::ACTIONS;
pub use calls::Call;
pub use capacity::Capacity;
pub use checks::{DeclaredCheck, declared};
pub use clock::Clock;
pub use error::OpenError;
pub use faults::{Faults, UnknownProfile};
pub use inventory::{Inventory, MachineView};
pub use options::{Latencies, Options};
pub use records::{CertificateStatus, MachineState};
pub use script::{Fault, Match, On, Script};
pub use simulator::Simulator;
pub use virtual_host::{HostLatencies, VirtualHost};
