use domain::{Climbed, Health, Instance, Notice, OperationId, Placement, Rung, State, Trouble, Wanted};
use durable::{Ending, NewRun, Outcome, Record};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::decide::{occupy, within_window};
use crate::deployment::Deployment;
use crate::outcome::{Announcement, Observed};
use crate::plan::{self, Kind, Target};

/// What the end of a run means to its instance: written in one transaction with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The instance as it is from now on; absent when it is gone, and its name and its place in the quota are given back.
    pub instance: Option<Instance>,
    /// The run that follows, because the wish changed meanwhile.
    pub follow_up: Option<NewRun>,
    /// What the owner is told.
    pub notices: Vec<Notice>,
}

/// A run's plan or result is not of the form that its flow writes.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// No flow of this name.
    #[error("there is no flow `{0}`")]
    UnknownKind(String),
    /// The plan, the value or a notice cannot be read.
    #[error("the {what} of a {kind} run cannot be read")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// The flow.
        kind: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Settles the end of a run on the instance as it was read in the same transaction's condition (`wanted_rev`).
///
/// # Errors
/// If the record was not written by one of this crate's flows.
pub fn settle(
    deployment: &Deployment,
    read: &Instance,
    record: &Record,
    ending: &Ending,
    fresh: OperationId,
    now: Timestamp,
) -> Result<Settlement, SettleError> {
    let kind = Kind::named(&record.kind).ok_or_else(|| SettleError::UnknownKind(record.kind.clone()))?;
    let target: Target = parse(kind, "plan", &record.plan)?;
    let notices = notices(kind, read, record, ending, now)?;
    let mut instance = read.clone();
    if kind == Kind::Retire {
        return Ok(match ending.outcome {
            Outcome::Succeeded => Settlement { instance: None, follow_up: None, notices },
            // It was turned back before its first entry. Its owner still wants it gone, and no verb would find it any more.
            _ => {
                let follow_up = Some(retire(deployment, &mut instance, fresh, now));
                Settlement { instance: Some(instance), follow_up, notices }
            }
        });
    }

    instance.operation = None;
    instance.updated_at = now;
    instance.health = Health { climbed: climbed(&read.health, record, now), ..Health::default() };
    observe(&mut instance, kind, ending, now)?;
    let wish_stands = instance.wanted_rev == target.wanted_rev;
    if wish_stands && matches!(ending.outcome, Outcome::Cancelled | Outcome::Failed { .. }) {
        restore_wish(&mut instance, kind, &ending.outcome);
    }
    let follow_up = follow(deployment, &mut instance, wish_stands, fresh, now);
    Ok(Settlement { instance: Some(instance), follow_up, notices })
}

fn observe(instance: &mut Instance, kind: Kind, ending: &Ending, now: Timestamp) -> Result<(), SettleError> {
    instance.trouble = None;
    match (&ending.outcome, kind) {
        (Outcome::Succeeded, Kind::Provision) => {
            instance.placement = Some(parse::<Placement>(kind, "value", &ending.value)?);
            instance.state = State::Running;
            instance.ever_ran = true;
        }
        (Outcome::Succeeded, _) => {
            let observed: Observed = parse(kind, "value", &ending.value)?;
            instance.state = observed.state;
            instance.trouble = observed.into_trouble(now);
        }
        (outcome, _) => {
            // Everything was undone: the instance is what it was before the run.
            instance.state = match kind {
                Kind::Provision => State::Failed,
                Kind::Start => State::Stopped,
                Kind::Stop | Kind::Restart | Kind::Repair | Kind::Retire => State::Running,
            };
            instance.trouble = trouble(kind, outcome).map(|message| Trouble { message, since: now });
        }
    }
    Ok(())
}

fn trouble(kind: Kind, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { step, message } => Some(format!("{} failed at {step}: {message}", kind.as_str())),
        Outcome::Cancelled if kind == Kind::Provision => Some("its creation was cancelled; nothing was left behind".to_owned()),
        Outcome::Cancelled | Outcome::Succeeded | Outcome::Abandoned => None,
    }
}

/// A run that was turned back leaves the wish as it was before it, so that nothing tries by itself what its owner called off.
fn restore_wish(instance: &mut Instance, kind: Kind, outcome: &Outcome) {
    match (kind, outcome) {
        (Kind::Stop, _) => instance.wanted = Wanted::Running,
        (Kind::Start, Outcome::Cancelled) => instance.wanted = Wanted::Stopped,
        _ => {}
    }
}

fn follow(deployment: &Deployment, instance: &mut Instance, wish_stands: bool, fresh: OperationId, now: Timestamp) -> Option<NewRun> {
    if instance.wanted == Wanted::Deleted {
        return Some(retire(deployment, instance, fresh, now));
    }
    let placement = instance.placement.clone().filter(|_| !wish_stands)?;
    let (state, run) = match (instance.wanted, instance.state) {
        (Wanted::Running, State::Stopped) => (State::Starting, plan::start(instance, &placement, fresh)),
        (Wanted::Stopped, State::Running | State::Degraded) => (State::Stopping, plan::stop(instance, &placement, fresh)),
        _ => return None,
    };
    occupy(instance, state, fresh, now);
    Some(run)
}

fn retire(deployment: &Deployment, instance: &mut Instance, fresh: OperationId, now: Timestamp) -> NewRun {
    let run = plan::retire(deployment, instance, fresh);
    occupy(instance, State::Deleting, fresh, now);
    run
}

fn notices(kind: Kind, read: &Instance, record: &Record, ending: &Ending, now: Timestamp) -> Result<Vec<Notice>, SettleError> {
    let mut said = Vec::new();
    for value in &ending.notices {
        said.push(parse::<Announcement>(kind, "notice", value)?);
    }
    if let (Outcome::Failed { step, .. }, true) = (&ending.outcome, read.wanted != Wanted::Deleted) {
        let message = match kind {
            Kind::Provision => format!("could not be made; nothing was left behind. It failed at {step}."),
            _ => format!("is as it was before: its {} failed at {step}.", kind.as_str()),
        };
        said.push(Announcement::new(read.id, &format!("instance_{}_failed", kind.as_str()), message));
    }
    Ok((0..)
        .zip(said)
        .map(|(place, said): (u32, _)| Notice {
            id: format!("{}-{place}", record.id),
            organisation: read.organisation,
            instance: read.id,
            instance_name: read.name.clone(),
            event: said.event,
            message: format!("{} {}", read.name, said.message),
            recorded_at: now,
        })
        .collect())
}

/// The rungs climbed within the window, with those that this run climbed: its journal says which.
fn climbed(health: &Health, record: &Record, now: Timestamp) -> Vec<Climbed> {
    let mut climbed = within_window(health, now);
    if record.kind == Kind::Repair.as_str() {
        for entry in &record.journal {
            let rung = match entry.name.as_str() {
                "restart_process" => Rung::Process,
                "restart_machine" => Rung::Machine,
                _ => continue,
            };
            climbed.push(Climbed { rung, at: entry.finished_at });
        }
    }
    climbed
}

fn parse<T: DeserializeOwned>(kind: Kind, what: &'static str, value: &serde_json::Value) -> Result<T, SettleError> {
    serde_json::from_value(value.clone()).map_err(|source| SettleError::Unreadable { what, kind: kind.as_str(), source })
}

#[cfg(test)]
mod tests;
