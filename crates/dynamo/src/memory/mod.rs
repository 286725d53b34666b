//! The table in memory, for simulations that make millions of calls.
//!
//! Behind the cargo feature `testing`. The SDK with an embedded DynamoDB behind it takes a millisecond or more for each call of a debug
//! build; this takes some microseconds. Everything of the store stays as it is: its expressions and conditions are read and evaluated
//! here, its items and keys are the same, and [`table_description`](crate::table_description) says which indexes there are. The journal's
//! conformance suite and the store's own tests pass on both.
//!
//! A [`Weather`] decides what becomes of each call, so that whatever AWS does every day (conflicts, throttling, lost answers, indexes
//! that lag) can be had by seed.

mod calls;
mod condition;
mod index;
mod shelf;
mod update;
mod weather;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_dynamodb::types::AttributeValue;
use durable::Clock;

use crate::memory::shelf::Shelf;
pub use crate::memory::weather::{Calm, Fate, Forecast, Weather};

/// An entry of an index that is another one since a write.
#[derive(Debug, Clone)]
pub struct EntryChange {
    /// The index's name.
    pub index: &'static str,
    /// The primary key of its item.
    pub key: (String, String),
    /// The entry; none where there is none any more.
    pub entry: Option<HashMap<String, AttributeValue>>,
}

/// A table in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryTable {
    shelf: Arc<Mutex<Shelf>>,
    clock: Arc<dyn Clock>,
    weather: Arc<dyn Weather>,
}

impl MemoryTable {
    /// An empty table, with [`table_description`](crate::table_description)'s indexes, on which every call does what it says.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::under(Arc::new(Calm), clock)
    }

    /// An empty table in this weather. Latencies and the lag of indexes run on the clock.
    #[must_use]
    pub fn under(weather: Arc<dyn Weather>, clock: Arc<dyn Clock>) -> Self {
        Self { shelf: Arc::new(Mutex::new(Shelf::new())), clock, weather }
    }

    /// Shows every item, by its keys, where it lies.
    pub fn visit<T>(&self, look: impl FnOnce(&[&HashMap<String, AttributeValue>]) -> T) -> T {
        look(&self.shelf().items().collect::<Vec<_>>())
    }

    /// Shows the items of a partition whose sort keys begin so.
    pub fn each(&self, partition: &str, beginning: &str, show: impl FnMut(&HashMap<String, AttributeValue>)) {
        self.shelf().partition(partition, beginning).into_iter().for_each(show);
    }

    /// Looks at the item with these keys where it lies, if it is there.
    pub fn look<T>(&self, key: &(String, String), at: impl FnOnce(&HashMap<String, AttributeValue>) -> T) -> Option<T> {
        self.shelf().get(key).map(at)
    }

    /// What has become of the indexes' entries since this was last asked, as they will be once they have caught up. It is collected from
    /// the first time on.
    #[must_use]
    pub fn changes(&self) -> Vec<EntryChange> {
        self.shelf().followed.replace(Vec::new()).unwrap_or_default()
    }

    /// How many writes were carried out.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shelf().writes
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no holder panics")
    }
}
