//! What goes on in a machine that runs: commands, processes, memory.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reach;
use crate::api::query::{self, body};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::host::{ExecFailed, Executed, ProcessStat};
use crate::records::MachineState;
use crate::world::World;

type Names = Path<(String, String)>;

/// How long a command may take, in seconds: by default, and at most.
const DEFAULT_SECONDS: u64 = 30;
const MOST_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct Exec {
    command: Option<Vec<String>>,
    /// The older form, which Fly's own client still sends: one string, split as a shell does.
    cmd: Option<String>,
    timeout: Option<u64>,
}

/// Runs a command and waits for it. One that fails is answered 200 too; its input is not passed on.
pub(crate) async fn exec(State(world): State<Shared>, Path((app, id)): Names, bytes: Bytes) -> Answer<Json<Value>> {
    let Exec { command, cmd, timeout } = body(&bytes)?;
    let given = command.filter(|command| !command.is_empty());
    let command = given.or_else(|| shlex::split(cmd.as_deref()?)).filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| Refusal::invalid("command is required"))?;
    let seconds = timeout.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_SECONDS);
    if seconds > MOST_SECONDS {
        return Err(Refusal::invalid(format!("timeout must be at most {MOST_SECONDS} seconds")));
    }
    running(&world, "exec", &app, &id).await?;
    match world.options.host.exec(&id, &command, Duration::from_secs(seconds)).await {
        Ok(Executed { stdout, stderr, exit_code, exit_signal }) => {
            Ok(Json(json!({ "stdout": stdout, "stderr": stderr, "exit_code": exit_code, "exit_signal": exit_signal })))
        }
        // As a shell says it.
        Err(error @ ExecFailed::NotStarted(_)) => {
            Ok(Json(json!({ "stdout": "", "stderr": error.to_string(), "exit_code": 127, "exit_signal": 0 })))
        }
        Err(ExecFailed::TimedOut) => {
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, format!("deadline_exceeded: command did not end within {seconds}s")))
        }
        Err(error @ ExecFailed::NotRunning) => Err(Refusal::precondition(error.to_string())),
    }
}

async fn running(world: &World, verb: &str, app: &str, id: &str) -> Answer<()> {
    reach::host(world, app, id).await?;
    let state = world.read(|tables| query::machine(tables, app, id).map(|machine| machine.state))?;
    if state == MachineState::Started { Ok(()) } else { Err(super::life::unable(verb, state)) }
}

pub(crate) async fn processes(State(world): State<Shared>, Path((app, id)): Names) -> Answer<Json<Value>> {
    running(&world, "list processes of", &app, &id).await?;
    let view = |process: ProcessStat| {
        let ProcessStat { pid, command, directory, rss, stime, rtime } = process;
        json!({
            "pid": pid, "command": command, "directory": directory, "rss": rss, "stime": stime, "rtime": rtime, "cpu": 0, "listen_sockets": [],
        })
    };
    Ok(Json(world.options.host.processes(&id).await.into_iter().map(view).collect()))
}

/// The memory that the machine has at the moment: its balloon may hold some of the guest's back.
pub(crate) async fn memory(State(world): State<Shared>, Path((app, id)): Names) -> Answer<Json<Value>> {
    running(&world, "read memory of", &app, &id).await?;
    world.read(|tables| {
        let machine = query::machine(tables, &app, &id)?;
        let most = machine.config["guest"]["memory_mb"].as_u64().unwrap_or_default();
        let limit = machine.memory_limit_mb.unwrap_or(most);
        Ok(Json(json!({ "limit_mb": limit, "available_mb": limit })))
    })
}

#[derive(Deserialize)]
struct Limit {
    limit_mb: u64,
}

pub(crate) async fn set_memory(State(world): State<Shared>, Path((app, id)): Names, bytes: Bytes) -> Answer<Json<Value>> {
    let Limit { limit_mb } = body(&bytes)?;
    running(&world, "set memory of", &app, &id).await?;
    world.change(|change| {
        let guest = &query::machine(change.tables(), &app, &id)?.config["guest"];
        let most = guest["max_memory_mb"].as_u64().max(guest["memory_mb"].as_u64()).unwrap_or_default();
        if limit_mb == 0 || limit_mb > most {
            return Err(Refusal::invalid(format!("limit_mb must be between 1 and {most}")));
        }
        if let Some(machine) = change.machine(&id) {
            machine.memory_limit_mb = Some(limit_mb);
        }
        Ok(Json(json!({ "limit_mb": limit_mb, "available_mb": limit_mb })))
    })
}

#[derive(Deserialize)]
struct Reclaim {
    amount_mb: u64,
}

/// A virtual guest gives back whatever is asked for.
pub(crate) async fn reclaim(State(world): State<Shared>, Path((app, id)): Names, bytes: Bytes) -> Answer<Json<Value>> {
    let Reclaim { amount_mb } = body(&bytes)?;
    running(&world, "reclaim memory of", &app, &id).await?;
    Ok(Json(json!({ "actual_mb": amount_mb })))
}
