use serde_json::{Value, json};

use crate::api::config::image_ref;
use crate::checks::declared;
use crate::conditions::OK;
use crate::records::Machine;
use crate::world::World;

/// Events that come with a machine.
const RECENT_EVENTS: usize = 5;

/// The machine on the wire.
pub(super) fn full(world: &World, machine: &Machine) -> Value {
    let mut answer = summary(machine);
    let host_status = world.host_status(machine);
    let reachable = host_status == OK;
    let known = if reachable { machine.config.clone() } else { incomplete(&machine.config) };
    answer[if reachable { "config" } else { "incomplete_config" }] = known;
    answer["image_ref"] = image_ref(machine.config["image"].as_str().unwrap_or_default());
    answer["events"] = events(machine, RECENT_EVENTS);
    answer["checks"] = checks(machine);
    answer["host_status"] = json!(host_status);
    answer["cordoned"] = json!(machine.cordoned);
    answer
}

/// The machine without configuration, checks and events.
pub(super) fn summary(machine: &Machine) -> Value {
    json!({
        "id": machine.id, "name": machine.name, "state": machine.state.as_str(), "region": machine.region, "instance_id": machine.instance_id,
        "version": machine.instance_id, "private_ip": machine.private_ip, "created_at": machine.created_at, "updated_at": machine.updated_at,
    })
}

/// What Fly still knows of a configuration when the machine's host does not answer.
fn incomplete(config: &Value) -> Value {
    json!({ "image": config["image"], "guest": config["guest"], "metadata": config["metadata"] })
}

/// Newest first.
pub(super) fn events(machine: &Machine, most: usize) -> Value {
    json!(machine.events.iter().rev().take(most).collect::<Vec<_>>())
}

/// The declared checks with their last verdicts; one that has not spoken yet warns.
fn checks(machine: &Machine) -> Value {
    let verdict = |name: &str| match machine.checks.get(name) {
        Some(verdict) => json!({ "name": name, "status": verdict.status, "output": verdict.output, "updated_at": verdict.updated_at }),
        None => json!({ "name": name, "status": "warning", "output": "waiting for status update", "updated_at": machine.updated_at }),
    };
    json!(declared(&machine.config).iter().map(|check| verdict(&check.name)).collect::<Vec<_>>())
}
