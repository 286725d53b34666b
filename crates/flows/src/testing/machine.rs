use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ports::{MachineSpec, MachineState};
use crate::testing::{Conditions, Sickness};

/// A machine with the gateway in it.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    /// The provider's identifier.
    pub id: String,
    /// As it was ordered.
    pub spec: MachineSpec,
    /// How often it was booted.
    pub boots: u32,
    /// The requests for a restart of the process that were followed.
    pub process_restarts: BTreeSet<String>,
    /// What ails its gateway.
    pub sickness: Option<Sickness>,
    becomes: (MachineState, Timestamp),
    answers_at: Option<Timestamp>,
}

impl FakeMachine {
    /// A machine that was just ordered.
    pub(super) fn ordered(id: String, spec: MachineSpec, conditions: &Conditions, now: Timestamp) -> Self {
        let mut machine = Self {
            id,
            spec,
            boots: 0,
            process_restarts: BTreeSet::new(),
            sickness: conditions.born_sick,
            becomes: (MachineState::Stopped, now),
            answers_at: None,
        };
        machine.boot(conditions, now);
        machine
    }

    /// What it does at this moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> MachineState {
        let (state, since) = self.becomes;
        if now >= since { state } else { MachineState::Changing }
    }

    /// What it does, or will when it has stopped changing.
    #[must_use]
    pub const fn heads_for(&self) -> MachineState {
        self.becomes.0
    }

    /// When it has stopped changing.
    pub(super) const fn settles_at(&self) -> Timestamp {
        self.becomes.1
    }

    /// When its gateway answers, if the machine stays as it is; absent where it never will.
    #[must_use]
    pub fn answers_at(&self) -> Option<Timestamp> {
        self.answers_at.filter(|_| self.heads_for() == MachineState::Started)
    }

    pub(super) fn boot(&mut self, conditions: &Conditions, now: Timestamp) {
        let state = if conditions.cannot_boot { MachineState::Failed } else { MachineState::Started };
        self.becomes = (state, now + conditions.boot);
        if self.boots > 0 && self.sickness != Some(Sickness::Hopeless) {
            self.sickness = None;
        }
        self.boots += 1;
        self.begin_to_answer(conditions, now + conditions.boot);
    }

    pub(super) fn restart_process(&mut self, request: &str, conditions: &Conditions, now: Timestamp) {
        self.process_restarts.insert(request.to_owned());
        if self.sickness == Some(Sickness::Process) {
            self.sickness = None;
        }
        self.begin_to_answer(conditions, now);
    }

    fn begin_to_answer(&mut self, conditions: &Conditions, from: Timestamp) {
        self.answers_at = self.sickness.is_none().then(|| from + conditions.gateway_start);
    }

    /// Its gateway stops answering, from now on.
    pub(super) fn fall_sick(&mut self, sickness: Sickness) {
        self.sickness = Some(sickness);
        self.answers_at = None;
    }

    pub(super) fn turn_off(&mut self, state: MachineState, at: Timestamp) {
        self.becomes = (state, at);
        self.answers_at = None;
    }
}
