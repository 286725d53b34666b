use std::collections::BTreeSet;
use std::time::Duration;

use flows::ports::MachineState;
use jiff::Timestamp;

/// How long a machine takes to boot.
const BOOT: Duration = Duration::from_secs(4);

/// How long a machine takes to drain and stop.
const DRAIN: Duration = Duration::from_secs(12);

/// How long a machine takes to be destroyed; its volume is bound until then.
const DESTRUCTION: Duration = Duration::from_secs(3);

/// How long after its machine, or its own restart, a gateway answers.
const GATEWAY_START: Duration = Duration::from_secs(25);

/// What ails a gateway that does not answer and that its supervisor cannot cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sickness {
    /// A restart of its process cures it, and so does a boot.
    Hung,
    /// Only a boot of its machine cures it.
    Wedged,
    /// Only a person cures it.
    Hopeless,
}

/// A machine with the gateway in it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The place of its host among all hosts: that of its volume.
    pub(crate) host: usize,
    pub(crate) volume: String,
    pub(crate) instance: String,
    pub(crate) sickness: Option<Sickness>,
    /// It stands still because it was asked to.
    pub(crate) is_wanted_still: bool,
    process_restarts: BTreeSet<String>,
    becomes: (MachineState, Timestamp),
    answers_at: Option<Timestamp>,
}

impl Machine {
    pub(crate) fn ordered(id: String, name: String, host: usize, volume: String, instance: String, now: Timestamp) -> Self {
        let becomes = (MachineState::Stopped, now);
        let mut machine = Self {
            id,
            name,
            host,
            volume,
            instance,
            sickness: None,
            is_wanted_still: false,
            process_restarts: BTreeSet::new(),
            becomes,
            answers_at: None,
        };
        machine.boot(now);
        machine
    }

    pub(crate) fn state(&self, now: Timestamp) -> MachineState {
        if now >= self.becomes.1 { self.becomes.0 } else { MachineState::Changing }
    }

    /// What it does, or will when it has stopped changing.
    pub(crate) const fn heads_for(&self) -> MachineState {
        self.becomes.0
    }

    /// When it has stopped changing.
    pub(crate) const fn settles_at(&self) -> Timestamp {
        self.becomes.1
    }

    /// When its gateway answers if everything stays as it is.
    pub(crate) fn answers_at(&self) -> Option<Timestamp> {
        self.answers_at.filter(|_| self.sickness.is_none() && self.becomes.0 == MachineState::Started)
    }

    /// Boots from this moment on, which may be the end of an outage.
    pub(crate) fn boot(&mut self, from: Timestamp) {
        self.becomes = (MachineState::Started, from + BOOT);
        self.is_wanted_still = false;
        if self.sickness != Some(Sickness::Hopeless) {
            self.sickness = None;
        }
        self.answers_at = Some(from + BOOT + GATEWAY_START);
    }

    /// Restarts the gateway, once for each request.
    pub(crate) fn restart_process(&mut self, request: &str, now: Timestamp) {
        if !self.process_restarts.insert(request.to_owned()) {
            return;
        }
        if self.sickness == Some(Sickness::Hung) {
            self.sickness = None;
        }
        self.answers_at = Some(now + GATEWAY_START);
    }

    /// The gateway ends, and its supervisor starts it again.
    pub(crate) fn crash_gateway(&mut self, now: Timestamp) {
        self.answers_at = Some(now + GATEWAY_START);
    }

    pub(crate) fn stop(&mut self, now: Timestamp) {
        self.becomes = (MachineState::Stopped, now + DRAIN);
        self.is_wanted_still = true;
    }

    /// What it has begun to boot comes to nothing.
    pub(crate) fn fail(&mut self, now: Timestamp) {
        self.becomes = (MachineState::Failed, now + BOOT);
    }

    /// The machine ends, and the provider has given up starting it.
    pub(crate) fn die(&mut self, now: Timestamp) {
        self.becomes = (MachineState::Stopped, now);
    }

    pub(crate) fn destroy(&mut self, now: Timestamp) {
        self.becomes = (MachineState::Gone, now + DESTRUCTION);
    }
}
