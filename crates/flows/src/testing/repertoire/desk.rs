use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::testing::sample;
use crate::{Ask, Decision, decide, run_id, settle};
use domain::{Instance, Notice, Verb, Wanted};
use durable::{Clock, Ending, NewRun, Record, RunId};

/// The instance as a store keeps it: what is asked of it is decided, and what its runs come to is settled.
#[derive(Clone)]
pub struct Desk {
    clock: Arc<dyn Clock>,
    book: Arc<Mutex<Book>>,
}

/// What lies on the desk.
#[derive(Clone)]
pub struct Book {
    /// The instance; absent when it is gone.
    pub instance: Option<Instance>,
    /// What its owner was told, in order.
    pub notices: Vec<Notice>,
    /// Whether a run was asked to cancel because of a wish.
    pub called_back: bool,
    /// What could not be settled.
    pub broken: Vec<String>,
    /// How many places of the quota are taken.
    pub quota: i64,
    /// The names that nobody else may take.
    pub names: BTreeSet<String>,
    operations: u128,
}

impl Desk {
    /// A desk on which this instance lies, whose place in the quota and whose name are taken.
    pub fn new(clock: Arc<dyn Clock>, instance: Instance) -> Self {
        let names = BTreeSet::from([instance.name.to_string()]);
        let book =
            Book { instance: Some(instance), notices: Vec::new(), called_back: false, broken: Vec::new(), quota: 1, names, operations: 1 };
        Self { clock, book: Arc::new(Mutex::new(book)) }
    }

    /// Another desk on which the same lies, from now on for itself.
    #[must_use]
    pub fn copied(&self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, book: Arc::new(Mutex::new(self.book().clone())) }
    }

    /// What lies there, to look at or to change.
    ///
    /// # Panics
    /// If another holder panicked.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder panics")
    }

    /// The instance, unless it is gone.
    #[must_use]
    pub fn instance(&self) -> Option<Instance> {
        self.book().instance.clone()
    }

    /// Asks something of the instance, and writes down what is decided. `current`: the run that the instance names, if it is parked;
    /// one under way is made up, because nothing but its identifier counts.
    pub fn ask(&self, ask: Ask, parked: Option<&Record>) -> Decision {
        let now = self.clock.now();
        let mut book = self.book();
        let Some(read) = book.instance.clone() else { return Decision::Gone };
        let current = read.operation.map(|operation| under_way(run_id(&read.organisation, &operation), now));
        book.operations += 1;
        let fresh = sample::operation(book.operations);
        let decision = decide(&sample::deployment(), &read, parked.or(current.as_ref()), ask, fresh, now);
        match &decision {
            Decision::Start { instance, .. } => book.instance = Some((**instance).clone()),
            Decision::Absorb { instance, cancel } => {
                book.instance = Some((**instance).clone());
                book.called_back |= cancel.is_some();
            }
            Decision::Nothing | Decision::Busy | Decision::Forbidden | Decision::Gone => {}
        }
        decision
    }

    /// The wish changes while a run owns the instance: what is wanted running is wanted stopped, and the other way round. This is what
    /// another's transaction does that conflicts with a write of the run.
    pub fn change_the_wish(&self) {
        let busy = self.instance().filter(|instance| instance.operation.is_some());
        match busy.map(|instance| instance.wanted) {
            Some(Wanted::Running) => drop(self.ask(Ask::new(Verb::Stop), None)),
            Some(Wanted::Stopped) => drop(self.ask(Ask::new(Verb::Start), None)),
            Some(Wanted::Deleted) | None => {}
        }
    }

    /// Begins the repair of the instance.
    ///
    /// # Panics
    /// If it is not to be repaired.
    pub fn begin_repair(&self) -> NewRun {
        let mut book = self.book();
        book.operations += 1;
        let fresh = sample::operation(book.operations);
        let read = book.instance.as_ref().expect("there is an instance");
        let (instance, run) = crate::decide_repair(read, fresh, self.clock.now()).expect("it is to be repaired");
        book.instance = Some(instance);
        run
    }

    /// What the end of a run means to the instance, and to its owner's quota and names.
    pub fn settle(&self, record: &Record, ending: &Ending) -> Option<NewRun> {
        let mut book = self.book();
        book.operations += 1;
        let fresh = sample::operation(book.operations);
        let Some(read) = book.instance.clone() else {
            book.broken.push(format!("{} ended when the instance was gone", record.id));
            return None;
        };
        match settle(&sample::deployment(), &read, record, ending, fresh, self.clock.now()) {
            Ok(settlement) => {
                if settlement.instance.is_none() {
                    book.quota -= 1;
                    book.names.remove(read.name.as_str());
                }
                book.instance = settlement.instance;
                book.notices.extend(settlement.notices);
                settlement.follow_up
            }
            Err(error) => {
                book.broken.push(format!("{} could not be settled: {error}", record.id));
                None
            }
        }
    }
}

fn under_way(id: RunId, now: jiff::Timestamp) -> Record {
    let plan = serde_json::Value::Null;
    Record::begin(NewRun { id, kind: "any".to_owned(), version: 1, subject: String::new(), plan }, now)
}
