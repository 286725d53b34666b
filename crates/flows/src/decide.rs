use domain::{Climbed, Health, Instance, OperationId, RestartScope, Rung, State, Verb, Verdict, Wanted};
use durable::{NewRun, Phase, Record, RunId};
use jiff::{SignedDuration, Timestamp};

use crate::deployment::Deployment;
use crate::plan;

/// What is asked of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The verb; `access` is not asked of the store.
    pub verb: Verb,
    /// What a restart restarts.
    pub scope: RestartScope,
}

impl Ask {
    /// Asks for a verb; a restart restarts the process.
    #[must_use]
    pub const fn new(verb: Verb) -> Self {
        Self { verb, scope: RestartScope::Process }
    }
}

/// What to write when something is asked of an instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Store the instance and the run in one transaction; the instance's run must still be the one that was read.
    Start {
        /// The instance as it is to be stored; it names the new run.
        instance: Box<Instance>,
        /// The run.
        run: Box<NewRun>,
        /// A parked run that ends as abandoned in the same transaction.
        abandon: Option<RunId>,
    },
    /// Store the raised wish; the run under way fulfils it, or the one that follows it.
    Absorb {
        /// The instance as it is to be stored.
        instance: Box<Instance>,
        /// The run under way, which is also asked to cancel: a delete during provisioning.
        cancel: Option<RunId>,
    },
    /// Nothing to write: it is so already.
    Nothing,
    /// A run is under way.
    Busy,
    /// Not in this state.
    Forbidden,
    /// For its owner it no longer exists.
    Gone,
}

/// Decides what a verb means for an instance as it was read, with the run that it names.
#[must_use]
pub fn decide(
    deployment: &Deployment,
    read: &Instance,
    current: Option<&Record>,
    ask: Ask,
    fresh: OperationId,
    now: Timestamp,
) -> Decision {
    let parked = current.filter(|record| matches!(record.phase, Phase::Parked { .. }));
    if ask.verb == Verb::Delete {
        if let Some(parked) = parked.filter(|record| record.kind != plan::Kind::Retire.as_str()) {
            return begin_delete(deployment, read, fresh, now, Some(parked.id.clone()));
        }
        if read.wanted == Wanted::Deleted && read.state != State::Deleting {
            return Decision::Nothing;
        }
    } else if read.wanted == Wanted::Deleted {
        return Decision::Gone;
    }

    match read.state.allows(ask.verb) {
        Verdict::Gone => Decision::Gone,
        Verdict::Busy => Decision::Busy,
        Verdict::Forbidden => Decision::Forbidden,
        Verdict::Nothing => Decision::Nothing,
        Verdict::Absorbed => absorb(read, current, ask.verb, now),
        // The table speaks of states; a run may own an instance whose state it has not changed yet.
        Verdict::Run if read.operation.is_some() && ask.verb == Verb::Restart => Decision::Busy,
        Verdict::Run if read.operation.is_some() => absorb(read, current, ask.verb, now),
        Verdict::Run => begin(deployment, read, ask, fresh, now),
    }
}

fn wish(verb: Verb) -> Option<Wanted> {
    match verb {
        Verb::Start => Some(Wanted::Running),
        Verb::Stop => Some(Wanted::Stopped),
        Verb::Delete => Some(Wanted::Deleted),
        Verb::Restart | Verb::Access => None,
    }
}

fn absorb(read: &Instance, current: Option<&Record>, verb: Verb, now: Timestamp) -> Decision {
    let Some(wanted) = wish(verb).filter(|wanted| *wanted != read.wanted) else {
        return Decision::Nothing;
    };
    let mut instance = read.clone();
    raise(&mut instance, wanted, now);
    let cancel = (verb == Verb::Delete && read.state == State::Provisioning).then(|| current.map(|record| record.id.clone())).flatten();
    Decision::Absorb { instance: Box::new(instance), cancel }
}

fn begin(deployment: &Deployment, read: &Instance, ask: Ask, fresh: OperationId, now: Timestamp) -> Decision {
    if ask.verb == Verb::Delete {
        return begin_delete(deployment, read, fresh, now, None);
    }
    let Some(placement) = read.placement.clone() else {
        return Decision::Forbidden;
    };
    let mut instance = read.clone();
    if let Some(wanted) = wish(ask.verb).filter(|wanted| *wanted != read.wanted) {
        raise(&mut instance, wanted, now);
    }
    let (state, run) = match ask.verb {
        Verb::Start => (State::Starting, plan::start(&instance, &placement, fresh)),
        Verb::Stop => (State::Stopping, plan::stop(&instance, &placement, fresh)),
        Verb::Restart => (State::Restarting, plan::restart(&instance, &placement, ask.scope, fresh)),
        Verb::Access | Verb::Delete => return Decision::Nothing,
    };
    occupy(&mut instance, state, fresh, now);
    Decision::Start { instance: Box::new(instance), run: Box::new(run), abandon: None }
}

fn begin_delete(deployment: &Deployment, read: &Instance, fresh: OperationId, now: Timestamp, abandon: Option<RunId>) -> Decision {
    let mut instance = read.clone();
    raise(&mut instance, Wanted::Deleted, now);
    let run = plan::retire(deployment, &instance, fresh);
    occupy(&mut instance, State::Deleting, fresh, now);
    Decision::Start { instance: Box::new(instance), run: Box::new(run), abandon }
}

fn raise(instance: &mut Instance, wanted: Wanted, now: Timestamp) {
    instance.wanted = wanted;
    instance.wanted_rev += 1;
    instance.updated_at = now;
}

/// The instance belongs to a run from now on.
pub(crate) fn occupy(instance: &mut Instance, state: State, operation: OperationId, now: Timestamp) {
    instance.state = state;
    instance.operation = Some(operation);
    instance.updated_at = now;
}

/// Each rung of the ladder is climbed at most once within this time.
const LADDER_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// The repair of an instance that does not answer, or nothing if it is busy, unplaced, not wanted running or already given to a person.
#[must_use]
pub fn repair(read: &Instance, fresh: OperationId, now: Timestamp) -> Option<(Instance, NewRun)> {
    let placement = read.placement.clone()?;
    if read.operation.is_some() || read.wanted != Wanted::Running || read.state != State::Running {
        return None;
    }
    let used = within_window(&read.health, now);
    let rungs = [Rung::Process, Rung::Machine].into_iter().filter(|rung| used.iter().all(|climbed| climbed.rung != *rung)).collect();
    let mut instance = read.clone();
    let run = plan::repair(&instance, &placement, rungs, fresh);
    occupy(&mut instance, State::Repairing, fresh, now);
    Some((instance, run))
}

pub(crate) fn within_window(health: &Health, now: Timestamp) -> Vec<Climbed> {
    health.climbed.iter().copied().filter(|climbed| now.duration_since(climbed.at) < LADDER_WINDOW).collect()
}

#[cfg(test)]
mod tests;
