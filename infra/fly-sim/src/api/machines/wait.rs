use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::read;
use crate::api::query::{self, Params};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::forms::go_duration;
use crate::records::{Machine, MachineState};

/// The states that can be waited for.
const STATES: &[&str] = &["started", "stopped", "suspended", "destroyed", "failed", "settled"];

/// Answers once the machine is in one of the wanted states, or 408 when the time is up.
pub(crate) async fn wait(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, params: Params) -> Answer<Json<Value>> {
    let wanted = Wanted::of(&params)?;
    let deadline = Instant::now() + timeout(&params)?;
    let mut changes = world.changes();
    world.read(|tables| read::seen(&world, query::machine(tables, &app, &id)?, &params).map(|_| ()))?;
    loop {
        let current = world.read(|tables| {
            let machine = query::machine(tables, &app, &id)?;
            let met = wanted.met_by(machine)?;
            if met.is_none() && wanted.vanished(machine) {
                return Err(Refusal::not_found("machine not found"));
            }
            Ok::<_, Refusal>(met.ok_or_else(|| wanted.current(machine)))
        })?;
        let current = match current {
            Ok(answer) => return Ok(Json(answer)),
            Err(current) => current,
        };
        if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
            let states = wanted.states.join(", ");
            let text = format!("deadline_exceeded: machine failed to reach desired state, {states}, currently {current}");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text));
        }
    }
}

struct Wanted<'a> {
    states: Vec<&'a str>,
    /// The version that is to reach the state; `version` supersedes `instance_id`.
    version: Option<&'a str>,
    /// The state must have been reached after this event.
    after: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(params: &'a Params) -> Answer<Self> {
        let mut states = params.list("state");
        if states.is_empty() {
            states.push("started");
        }
        if let Some(unknown) = states.iter().find(|state| !STATES.contains(state)) {
            return Err(Refusal::invalid(format!("invalid state '{unknown}'")));
        }
        let version = params.get("version").or_else(|| params.get("instance_id"));
        Ok(Self { states, version, after: params.get("from_event_id") })
    }

    fn met_by(&self, machine: &Machine) -> Answer<Option<Value>> {
        if let Some(version) = self.version
            && !machine.versions.iter().any(|known| known.version == version)
        {
            return Err(Refusal::not_found("machine version not found"));
        }
        let reached =
            self.states.iter().any(|state| if *state == "settled" { machine.state.rests() } else { *state == machine.state.as_str() });
        // ULIDs sort by time.
        let fresh = self.after.is_none_or(|after| machine.events.last().is_some_and(|event| event.id.as_str() > after));
        let answer = json!({
            "ok": true, "state": machine.state.as_str(), "version": machine.instance_id, "event_id": machine.events.last().map(|event| &event.id),
        });
        Ok((reached && fresh && !self.is_replaced(machine)).then_some(answer))
    }

    /// A machine that destroys itself at its end is never `stopped`: whoever waits for that is told that it is gone.
    fn vanished(&self, machine: &Machine) -> bool {
        machine.state == MachineState::Destroyed && machine.config["auto_destroy"] == true && self.states.contains(&"stopped")
    }

    fn is_replaced(&self, machine: &Machine) -> bool {
        self.version.is_some_and(|version| version != machine.instance_id)
    }

    /// An old version is `replaced`, whatever the machine does.
    fn current(&self, machine: &Machine) -> &'static str {
        if self.is_replaced(machine) { "replaced" } else { machine.state.as_str() }
    }
}

fn timeout(params: &Params) -> Answer<Duration> {
    let Some(text) = params.get("timeout") else { return Ok(Duration::from_secs(60)) };
    let time = text.parse().map(Duration::from_secs).ok().or_else(|| go_duration(text));
    time.filter(|time| (Duration::from_secs(1)..=Duration::from_secs(60)).contains(time))
        .ok_or_else(|| Refusal::invalid("invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]"))
}
