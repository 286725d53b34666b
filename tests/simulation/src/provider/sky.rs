//! Everything that exists at the provider, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Region;
use durable::{Attempt, Setback};
use flows::ports::MachineState;
use jiff::Timestamp;

use super::machine::Machine;

/// An app with what is in it.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) network: String,
    pub(crate) secrets_version: u64,
    pub(crate) has_addresses: bool,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) machines: Vec<Machine>,
}

/// A volume. Several may bear the same name.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: Region,
    pub(crate) host: usize,
    pub(crate) made_at: Timestamp,
}

/// A host: whatever stands on it goes down with it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) region: Region,
    pub(crate) down_until: Option<Timestamp>,
}

/// A time in which a gateway did not answer; without an end while nothing is known to end it.
pub(crate) type Silence = (Timestamp, Option<Timestamp>);

#[derive(Default)]
pub(crate) struct Sky {
    pub(crate) hosts: Vec<Host>,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) secrets: BTreeSet<String>,
    /// Names that rest in the vault's recovery window and cannot be used again.
    pub(crate) deleted_secrets: BTreeSet<String>,
    /// Alarms by request: whom they are about.
    pub(crate) alarms: BTreeMap<String, String>,
    /// Apps whose volume has held a customer's state.
    pub(crate) served: BTreeSet<String>,
    /// When each app's gateway did not answer.
    pub(crate) silences: BTreeMap<String, Vec<Silence>>,
    /// Apps whose gateway may not answer: all those of which it is so are among them.
    pub(crate) unsettled: BTreeSet<String>,
    /// How long a new volume is missing from lists.
    pub(super) lists_lag: Duration,
    /// Whether what is being done now was answered so long ago that nobody may look any more.
    pub(super) is_unseen: bool,
    /// Apps, secrets and volumes that came into being, and machines that were started, when nobody looked any more, and that nobody has met
    /// since: what only a search for orphans could find.
    pub(crate) unseen: BTreeSet<String>,
    /// When somebody last looked for the volumes of an app to remove them.
    pub(super) released: BTreeMap<String, Timestamp>,
    /// What nobody may ever do.
    pub(crate) complaints: Vec<String>,
    pub(super) made: u64,
}

impl Sky {
    pub(crate) fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}", self.made)
    }

    /// Somebody makes, finds, starts or stops this; and knows of it, unless he has long gone.
    pub(super) fn meet(&mut self, what: &str) {
        match self.is_unseen {
            true => drop(self.unseen.insert(what.to_owned())),
            false => drop(self.unseen.remove(what)),
        }
    }

    pub(crate) fn is_up(&self, host: usize, now: Timestamp) -> bool {
        self.hosts[host].down_until.is_none_or(|until| until <= now)
    }

    /// Whether lists show a volume.
    pub(super) fn is_listed(&self, volume: &Volume, now: Timestamp) -> bool {
        volume.made_at + self.lists_lag <= now
    }

    /// Refuses what is asked of a host that is down.
    pub(crate) fn reach(&self, host: usize, now: Timestamp) -> Attempt<()> {
        if self.is_up(host, now) { Ok(()) } else { Err(Setback::retry("the host does not answer")) }
    }

    pub(crate) fn app(&mut self, app: &str) -> Attempt<&mut App> {
        self.apps.get_mut(app).ok_or_else(|| Setback::fatal(format!("there is no app {app}")))
    }

    pub(crate) fn machine(&self, app: &str, id: &str) -> Option<&Machine> {
        self.apps.get(app)?.machines.iter().find(|machine| machine.id == id)
    }

    /// Changes a machine that is there and whose host answers, and notes what that does to its gateway.
    pub(crate) fn change(&mut self, app: &str, id: &str, now: Timestamp, change: impl FnOnce(&mut Machine) -> Attempt<()>) -> Attempt<()> {
        let gone = || Setback::fatal(format!("the machine {id} is gone"));
        let host = self.machine(app, id).filter(|machine| machine.heads_for() != MachineState::Gone).ok_or_else(gone)?.host;
        self.reach(host, now)?;
        let machine = self.app(app)?.machines.iter_mut().find(|machine| machine.id == id).ok_or_else(gone)?;
        change(machine)?;
        self.note(app, now);
        Ok(())
    }

    /// Lets time pass in an app: what was being destroyed is gone.
    pub(crate) fn pass(&mut self, app: &str, now: Timestamp) {
        let hosts = &self.hosts;
        let Some(app) = self.apps.get_mut(app) else { return };
        let up = |host: usize| hosts[host].down_until.is_none_or(|until| until <= now);
        app.machines.retain(|machine| machine.state(now) != MachineState::Gone || !up(machine.host));
    }

    /// Whether the gateway of an app answers.
    pub(crate) fn answers(&self, app: &str, now: Timestamp) -> bool {
        let Some(app) = self.apps.get(app).filter(|app| app.has_addresses) else { return false };
        app.machines.iter().any(|machine| machine.answers_at().is_some_and(|at| at <= now) && self.is_up(machine.host, now))
    }

    /// Notes from when on and until when the gateway of an app does not answer, after something changed.
    pub(crate) fn note(&mut self, app: &str, now: Timestamp) {
        self.unsettled.insert(app.to_owned());
        let up = |app: &App| app.machines.iter().filter(|machine| machine.heads_for() == MachineState::Started).count();
        if self.apps.get(app).is_some_and(|app| up(app) > 1) {
            self.complaints.push(format!("{app} has several machines that run"));
        }
        let until = self.apps.get(app).and_then(|app| app.machines.iter().filter_map(Machine::answers_at).min());
        let silences = self.silences.entry(app.to_owned()).or_default();
        match silences.last_mut() {
            Some((_, end)) if end.is_none_or(|end| end > now) => *end = until,
            _ if until.is_some_and(|until| until <= now) => {}
            _ => silences.push((now, until)),
        }
    }

    /// The apps whose gateway does not answer.
    pub(crate) fn silent(&mut self, now: Timestamp) -> Vec<String> {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        unsettled.retain(|app| self.apps.contains_key(app) && !self.answers(app, now));
        let silent = unsettled.iter().cloned().collect();
        self.unsettled = unsettled;
        silent
    }

    /// Whether the gateway of an app was silent at any moment between two.
    pub(crate) fn was_silent(&self, app: &str, from: Timestamp, to: Timestamp) -> bool {
        let silences = self.silences.get(app).map(Vec::as_slice).unwrap_or_default();
        silences.iter().rev().any(|(began, ended)| *began <= to && ended.is_none_or(|ended| ended >= from))
    }
}
