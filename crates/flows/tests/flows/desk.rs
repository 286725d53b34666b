use std::sync::{Arc, Mutex, MutexGuard};

use domain::{Instance, Notice};
use durable::{Clock, Ending, NewRun, Record, RunId};
use flows::testing::sample;
use flows::{Ask, Decision, decide, run_id, settle};

/// The instance as a store keeps it: what is asked of it is decided, and what its runs come to is settled.
#[derive(Clone)]
pub(crate) struct Desk {
    clock: Arc<dyn Clock>,
    book: Arc<Mutex<Book>>,
}

#[derive(Clone)]
pub(crate) struct Book {
    /// The instance; absent when it is gone.
    pub(crate) instance: Option<Instance>,
    /// What its owner was told, in order.
    pub(crate) notices: Vec<Notice>,
    /// Whether a run was asked to cancel because of a wish.
    pub(crate) called_back: bool,
    /// What could not be settled.
    pub(crate) broken: Vec<String>,
    operations: u128,
}

impl Desk {
    pub(crate) fn new(clock: Arc<dyn Clock>, instance: Instance) -> Self {
        let book = Book { instance: Some(instance), notices: Vec::new(), called_back: false, broken: Vec::new(), operations: 1 };
        Self { clock, book: Arc::new(Mutex::new(book)) }
    }

    /// Another desk on which the same lies, from now on for itself.
    pub(crate) fn copied(&self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, book: Arc::new(Mutex::new(self.book().clone())) }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder panics")
    }

    pub(crate) fn instance(&self) -> Option<Instance> {
        self.book().instance.clone()
    }

    /// Asks something of the instance, and writes down what is decided. `current`: the run that the instance names, if it is parked;
    /// one under way is made up, because nothing but its identifier counts.
    pub(crate) fn ask(&self, ask: Ask, parked: Option<&Record>) -> Decision {
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

    /// Begins the repair of the instance.
    pub(crate) fn begin_repair(&self) -> NewRun {
        let mut book = self.book();
        book.operations += 1;
        let fresh = sample::operation(book.operations);
        let read = book.instance.as_ref().expect("there is an instance");
        let (instance, run) = flows::decide_repair(read, fresh, self.clock.now()).expect("it is to be repaired");
        book.instance = Some(instance);
        run
    }

    /// What the end of a run means to the instance.
    pub(crate) fn settle(&self, record: &Record, ending: &Ending) -> Option<NewRun> {
        let mut book = self.book();
        book.operations += 1;
        let fresh = sample::operation(book.operations);
        let Some(read) = book.instance.clone() else {
            book.broken.push(format!("{} ended when the instance was gone", record.id));
            return None;
        };
        match settle(&sample::deployment(), &read, record, ending, fresh, self.clock.now()) {
            Ok(settlement) => {
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
