use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use durable::testing::{Bench, ManualClock, MemoryJournal, journal_conformance};
use durable::{Journal, NewRun, RunId};
use jiff::Timestamp;
use serde_json::Value;

struct InMemory {
    journal: MemoryJournal,
    started: AtomicU32,
    changed: Arc<Mutex<BTreeSet<RunId>>>,
}

impl InMemory {
    fn new() -> Self {
        let changed = Arc::new(Mutex::new(BTreeSet::new()));
        let wishes = changed.clone();
        let journal = MemoryJournal::with_settle(Box::new(move |record, _| {
            let changed = wishes.lock().expect("no holder panics").contains(&record.id);
            changed.then(|| new_run(&format!("{}-again", record.id)))
        }));
        Self { journal, started: AtomicU32::new(0), changed }
    }
}

fn new_run(id: &str) -> NewRun {
    NewRun { id: RunId(id.to_owned()), kind: "sample".to_owned(), version: 1, subject: "ins_1".to_owned(), plan: Value::Null }
}

#[async_trait]
impl Bench for InMemory {
    fn journal(&self) -> &dyn Journal {
        &self.journal
    }

    async fn start(&self, now: Timestamp) -> RunId {
        let id = format!("run_{}", self.started.fetch_add(1, Ordering::SeqCst));
        self.journal.start(new_run(&id), now).id
    }

    fn unknown(&self) -> RunId {
        RunId("run_unknown".to_owned())
    }

    async fn change_wish(&self, run: &RunId) {
        self.changed.lock().expect("no holder panics").insert(run.clone());
    }
}

#[test]
fn the_journal_in_memory_conforms() {
    ManualClock::default().block_on(journal_conformance(async || InMemory::new()));
}
