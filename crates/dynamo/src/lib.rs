//! The store: everything Rockpool knows, in one DynamoDB table.
//!
//! What is decided is decided by the crate `flows`; the store reads, asks it, and writes the answer in one transaction whose conditions
//! say that what was read still holds. If it does not, it reads and asks again. A [`Store`] is also the [`durable::Journal`] of all runs.
//!
//! Never here: a `Scan`; a key that is built outside `keys.rs`; a write without a condition on what it replaces; a decision about an
//! instance. Indexes lag, so whoever acts on one does so by a condition on the item itself.
//!
//! Conditions that fail are decisions and are told from conflicts and throttling, which are repeated with jitter. A failed condition
//! returns the item as it stands, which says whose write it was: one's own, after a lost answer, or another's.

mod ask;
mod change;
mod create;
mod error;
mod expression;
mod fleet;
mod idempotency;
mod incident;
mod instance_item;
mod instances;
mod journal;
mod keys;
#[cfg(feature = "testing")]
pub mod memory;
mod moment;
mod notices;
mod operations;
mod read;
mod run_item;
mod schema;
mod settle;
mod table;
mod write;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use durable::Clock;
use flows::Deployment;

pub use ask::Asked;
pub use create::{Created, NewInstance};
pub use error::{AskError, CreateError, StoreError, UpdateError};
pub use fleet::Target;
pub use flows::health::{Incident, Suspect};
pub use idempotency::IdempotencyKey;
pub use instances::{Page, Patch};
pub use notices::DueNotice;
pub use table::{IndexDescription, TableDescription, create_table, table_description};

/// What calls go to.
#[derive(Clone)]
pub(crate) enum Way {
    /// DynamoDB.
    Dynamo(Client),
    /// A table in this process's memory.
    #[cfg(feature = "testing")]
    Memory(memory::MemoryTable),
}

/// The store. Clones share the client.
#[derive(Clone)]
pub struct Store {
    way: Way,
    table: Arc<str>,
    deployment: Arc<Deployment>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Shards of the live fleet; [`fleet`](Self::fleet) reads one.
    pub const FLEET_SHARDS: u32 = keys::FLEET_SHARDS;

    /// A store on a table that exists.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, deployment: Deployment, clock: Arc<dyn Clock>) -> Self {
        Self { way: Way::Dynamo(client), table: table.into().into(), deployment: Arc::new(deployment), clock }
    }

    /// A store on a table in memory, for simulations.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn in_memory(table: memory::MemoryTable, deployment: Deployment, clock: Arc<dyn Clock>) -> Self {
        Self { way: Way::Memory(table), table: "memory".into(), deployment: Arc::new(deployment), clock }
    }

    /// Whether the table answers: one read of half a unit.
    ///
    /// # Errors
    /// It does not.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        self.glance("looking whether the table answers", &keys::incident()).await.map(|_| ())
    }
}
