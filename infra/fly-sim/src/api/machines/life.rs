use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{lease, reach};
use crate::api::query::{self, Params, body, nonce};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::conditions::UNREACHABLE;
use crate::engine::stop_config;
use crate::forms::{self, Bare, duration};
use crate::records::{Machine, MachineState, Stopping};
use crate::world::World;

type Names = Path<(String, String)>;

/// Changes a machine whose lease is no obstacle to the caller, and sets the worker going.
fn act<T>(world: &Shared, names: &(String, String), nonce: Option<&str>, act: impl FnOnce(&World, &mut Machine) -> Answer<T>) -> Answer<T> {
    let (app, id) = names;
    let now = world.now();
    let answer = world.change(|change| {
        lease::refuse_a_stranger(query::machine(change.tables(), app, id)?, nonce, now)?;
        let machine = change.machine(id).ok_or_else(|| Refusal::not_found("machine not found"))?;
        let answer = act(world, machine)?;
        machine.updated_at = now;
        Ok::<_, Refusal>(answer)
    })?;
    world.kick(id);
    Ok(answer)
}

/// As [`act`], but waits for somebody else's lease to end.
async fn act_later<T>(
    world: &Shared,
    names: &(String, String),
    nonce: Option<&str>,
    mut change: impl FnMut(&World, &mut Machine) -> Answer<T>,
) -> Answer<T> {
    loop {
        lease::outlast(world, &names.0, &names.1, nonce).await?;
        let now = world.now();
        let still_free = world.read(|tables| {
            query::machine(tables, &names.0, &names.1).map(|machine| lease::refuse_a_stranger(machine, nonce, now).is_ok())
        })?;
        if still_free {
            return act(world, names, nonce, |world, machine| change(world, machine));
        }
    }
}

fn ok() -> Json<Value> {
    Json(json!({ "ok": true }))
}

/// Starts a machine that rests. On one that runs, nothing happens.
pub(crate) async fn start(State(world): State<Shared>, Path(names): Names, headers: HeaderMap) -> Answer<Json<Value>> {
    reach::host(&world, &names.0, &names.1).await?;
    let (previous, moving) = act(&world, &names, nonce(&headers), |world, machine| {
        let previous = machine.state;
        match previous {
            MachineState::Started => {}
            MachineState::Stopped | MachineState::Suspended | MachineState::Failed => begin(world, machine, "user")?,
            // Fly says it in two ways; here it is by whether its program still ran when it was told to end.
            MachineState::Replacing if ran(machine) => return Err(Refusal::precondition("machine getting replaced, refusing to start")),
            MachineState::Stopping if ran(machine) => return Err(Refusal::precondition("machine still active, refusing to start")),
            state => return Err(unable("start", state)),
        }
        Ok((previous, machine.moving))
    })?;
    let new_host = if moving { world.ids.zone() } else { String::new() };
    Ok(Json(json!({ "previous_state": previous.as_str(), "migrated": moving, "new_host": new_host })))
}

/// Whether a machine was started before it came into the state it is in.
fn ran(machine: &Machine) -> bool {
    machine.events.iter().rev().nth(1).is_some_and(|event| event.status == MachineState::Started.as_str())
}

fn begin(world: &World, machine: &mut Machine, source: &str) -> Answer<()> {
    if let Some(want) = world.machine_wants(machine) {
        return Err(Refusal::no_room(want, None));
    }
    machine.launch = true;
    machine.restarts.clear();
    machine.enter(MachineState::Starting, world.event("start", "starting", source, Value::Null));
    Ok(())
}

/// Starts a machine that rests because a request came for it, as the proxy does. Returns whether it could.
pub(crate) fn start_for_a_request(world: &Shared, id: &str) -> bool {
    let started = world.change(|change| {
        let tables = change.tables();
        let rests = |machine: &&Machine| matches!(machine.state, MachineState::Stopped | MachineState::Suspended);
        let found = tables.machine(id).filter(rests).filter(|machine| world.host_status(machine) != UNREACHABLE);
        if found.is_none() {
            return Ok(false);
        }
        let Some(machine) = change.machine(id) else { return Ok(false) };
        machine.updated_at = world.now();
        begin(world, machine, "flyd").map(|()| true)
    });
    let started = started.unwrap_or_else(|refusal| {
        tracing::info!(machine = id, ?refusal, "a machine could not be started for a request");
        false
    });
    if started {
        world.kick(id);
    }
    started
}

pub(super) fn unable(verb: &str, state: MachineState) -> Refusal {
    Refusal::precondition(format!("unable to {verb} machine from current state: '{state}'"))
}

#[derive(Deserialize)]
struct Stop {
    #[serde(default)]
    signal: Value,
    #[serde(default)]
    timeout: Value,
}

/// Stops a machine, with the signal and time-out of the call or of its configuration.
pub(crate) async fn stop(State(world): State<Shared>, Path(names): Names, headers: HeaderMap, bytes: Bytes) -> Answer<Json<Value>> {
    let Stop { signal, timeout } = body(&bytes)?;
    let signal = match &signal {
        Value::Null => None,
        Value::String(name) if name.is_empty() => None,
        Value::String(name) => Some(forms::stop_signal(name).ok_or_else(|| Refusal::invalid(format!("invalid signal {name}")))?),
        other => Some(signal_number(other)?),
    };
    reach::host(&world, &names.0, &names.1).await?;
    act_later(&world, &names, nonce(&headers), |world, machine| {
        match machine.state {
            MachineState::Stopped | MachineState::Stopping => {}
            // Between two boots of a program that keeps crashing, there is nothing to wait for.
            MachineState::Starting if machine.not_before.is_some() => end(world, machine, signal, &timeout),
            MachineState::Started => end(world, machine, signal, &timeout),
            // The frozen memory is dropped.
            MachineState::Suspended => end(world, machine, Some(9), &timeout),
            state => return Err(unable("stop", state)),
        }
        Ok(())
    })
    .await?;
    Ok(ok())
}

fn end(world: &World, machine: &mut Machine, signal: Option<i32>, timeout: &Value) {
    machine.stopping = Some(stopping(machine, signal, timeout));
    machine.launch = false;
    machine.enter(MachineState::Stopping, world.event("stop", "stopping", "user", Value::Null));
}

/// Fly's own client sends `"0s"` for "as configured".
fn stopping(machine: &Machine, signal: Option<i32>, timeout: &Value) -> Stopping {
    let configured = stop_config(&machine.config);
    let asked = duration(timeout, Bare::Seconds).filter(|time| !time.is_zero()).and_then(|time| u64::try_from(time.as_millis()).ok());
    Stopping { signal: signal.unwrap_or(configured.signal), timeout_ms: asked.unwrap_or(configured.timeout_ms) }
}

/// A signal by name, or by number as Fly's own client sends some.
fn signal_number(value: &Value) -> Answer<i32> {
    let number = match value {
        Value::String(name) => forms::signal(name),
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()).filter(|number| (1..=31).contains(number)),
        _ => None,
    };
    number.ok_or_else(|| Refusal::invalid(format!("invalid signal {value}")))
}

pub(crate) async fn suspend(State(world): State<Shared>, Path(names): Names, headers: HeaderMap) -> Answer<Json<Value>> {
    reach::host(&world, &names.0, &names.1).await?;
    act(&world, &names, nonce(&headers), |world, machine| match machine.state {
        MachineState::Suspended | MachineState::Suspending => Ok(()),
        MachineState::Started if has_swap_or_schedule(machine) => {
            Err(Refusal::precondition("machines with swap or with a schedule cannot be suspended"))
        }
        MachineState::Started => {
            machine.enter(MachineState::Suspending, world.event("suspend", "suspending", "user", Value::Null));
            Ok(())
        }
        state => Err(unable("suspend", state)),
    })?;
    Ok(ok())
}

fn has_swap_or_schedule(machine: &Machine) -> bool {
    let config = &machine.config;
    config["init"]["swap_size_mb"].as_u64().is_some_and(|swap| swap > 0) || config["schedule"].as_str().is_some_and(|text| !text.is_empty())
}

/// Restarts a machine, which boots one that is stopped. Does not wait for the new boot.
pub(crate) async fn restart(State(world): State<Shared>, Path(names): Names, params: Params, headers: HeaderMap) -> Answer<Json<Value>> {
    let signal = params.get("signal").map(|name| signal_number(&json!(name))).transpose()?;
    let timeout = json!(params.get("timeout"));
    let force = params.flag("force_stop");
    reach::host(&world, &names.0, &names.1).await?;
    act(&world, &names, nonce(&headers), |world, machine| match machine.state {
        MachineState::Started | MachineState::Stopped => {
            machine.stopping = Some(if force { Stopping { signal: 9, timeout_ms: 0 } } else { stopping(machine, signal, &timeout) });
            machine.launch = true;
            machine.restarts.clear();
            machine.enter(MachineState::Restarting, world.event("restart", "restarting", "user", Value::Null));
            Ok(())
        }
        state => Err(unable("restart", state)),
    })?;
    Ok(ok())
}

#[derive(Deserialize)]
struct Signal {
    #[serde(default)]
    signal: Value,
}

pub(crate) async fn signal(State(world): State<Shared>, Path(names): Names, bytes: Bytes) -> Answer<Json<Value>> {
    let number = signal_number(&body::<Signal>(&bytes)?.signal)?;
    reach::host(&world, &names.0, &names.1).await?;
    let state = world.read(|tables| query::machine(tables, &names.0, &names.1).map(|machine| machine.state))?;
    if state != MachineState::Started {
        return Err(unable("signal", state));
    }
    world.options.host.signal(&names.1, number).await;
    Ok(ok())
}

/// Destroys a machine in the background. Its volume stays bound until that is done, which a silent host puts off until it returns.
pub(crate) async fn delete(State(world): State<Shared>, Path(names): Names, params: Params, headers: HeaderMap) -> Answer<Json<Value>> {
    // Fly's own client always sends `kill`, true or false.
    let force = params.flag("force") || params.flag("kill");
    act_later(&world, &names, nonce(&headers), |world, machine| {
        let rests = matches!(machine.state, MachineState::Stopped | MachineState::Suspended | MachineState::Failed | MachineState::Created);
        match machine.state {
            MachineState::Destroying | MachineState::Destroyed => {}
            _ if rests || force => machine.enter(MachineState::Destroying, world.event("destroy", "destroying", "user", Value::Null)),
            _ => return Err(Refusal::precondition("unable to destroy machine, not currently stopped, suspended, failed or created")),
        }
        Ok(())
    })
    .await?;
    Ok(ok())
}

pub(crate) async fn cordon(State(world): State<Shared>, Path(names): Names, headers: HeaderMap) -> Answer<Json<Value>> {
    reach::host(&world, &names.0, &names.1).await?;
    set_cordoned(&world, &names, &headers, true)
}

pub(crate) async fn uncordon(State(world): State<Shared>, Path(names): Names, headers: HeaderMap) -> Answer<Json<Value>> {
    reach::host(&world, &names.0, &names.1).await?;
    set_cordoned(&world, &names, &headers, false)
}

fn set_cordoned(world: &Shared, names: &(String, String), headers: &HeaderMap, cordoned: bool) -> Answer<Json<Value>> {
    act(world, names, nonce(headers), |_, machine| {
        machine.cordoned = cordoned;
        Ok(ok())
    })
}
