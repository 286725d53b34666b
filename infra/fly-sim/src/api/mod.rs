//! The endpoints, by resource.

mod admission;
mod apps;
mod certificates;
mod config;
mod ips;
mod logs;
mod machines;
mod orgs;
mod placements;
mod platform;
mod query;
mod refusal;
mod secrets;
mod snapshots;
mod volumes;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use crate::world::World;

pub(crate) use machines::create::private_ip;
pub(crate) use machines::life::start_for_a_request;

type Shared = Arc<World>;
type Answer<T> = Result<T, refusal::Refusal>;

/// One endpoint: what scripts, limits and the call log call it, its path, and who answers.
struct Endpoint(&'static str, &'static str, MethodRouter<Shared>);

/// The names of everything that can be asked for.
pub const ACTIONS: &[&str] = &[
    "create_app",
    "list_apps",
    "get_app",
    "delete_app",
    "create_deploy_token",
    "create_machine",
    "list_machines",
    "get_machine",
    "update_machine",
    "delete_machine",
    "start_machine",
    "stop_machine",
    "suspend_machine",
    "restart_machine",
    "signal_machine",
    "wait_machine",
    "cordon_machine",
    "uncordon_machine",
    "get_lease",
    "acquire_lease",
    "release_lease",
    "get_metadata",
    "update_metadata",
    "get_metadata_key",
    "set_metadata_key",
    "delete_metadata_key",
    "exec_machine",
    "list_processes",
    "get_memory",
    "set_memory",
    "reclaim_memory",
    "list_events",
    "list_versions",
    "create_volume",
    "list_volumes",
    "get_volume",
    "update_volume",
    "extend_volume",
    "delete_volume",
    "list_snapshots",
    "create_snapshot",
    "list_secrets",
    "set_secrets",
    "get_secret",
    "set_secret",
    "delete_secret",
    "list_ips",
    "assign_ip",
    "release_ip",
    "list_certificates",
    "add_certificate",
    "add_custom_certificate",
    "get_certificate",
    "check_certificate",
    "delete_certificate",
    "delete_acme_certificate",
    "delete_custom_certificate",
    "list_org_machines",
    "list_org_volumes",
    "list_regions",
    "simulate_placements",
    "current_token",
    "list_logs",
];

fn endpoints() -> Vec<Endpoint> {
    use machines::{create, inside, lease, life, metadata, read, update, wait};
    const APP: &str = "/v1/apps/{app}";
    const MACHINES: &str = "/v1/apps/{app}/machines";
    const MACHINE: &str = "/v1/apps/{app}/machines/{id}";
    const LEASE: &str = "/v1/apps/{app}/machines/{id}/lease";
    const METADATA: &str = "/v1/apps/{app}/machines/{id}/metadata";
    const METADATA_KEY: &str = "/v1/apps/{app}/machines/{id}/metadata/{key}";
    const MEMORY: &str = "/v1/apps/{app}/machines/{id}/memory";
    const VOLUMES: &str = "/v1/apps/{app}/volumes";
    const VOLUME: &str = "/v1/apps/{app}/volumes/{id}";
    const SNAPSHOTS: &str = "/v1/apps/{app}/volumes/{id}/snapshots";
    const SECRETS: &str = "/v1/apps/{app}/secrets";
    const SECRET: &str = "/v1/apps/{app}/secrets/{name}";
    const IPS: &str = "/v1/apps/{app}/ip_assignments";
    const CERTIFICATES: &str = "/v1/apps/{app}/certificates";
    const CERTIFICATE: &str = "/v1/apps/{app}/certificates/{hostname}";
    vec![
        Endpoint("create_app", "/v1/apps", post(apps::create)),
        Endpoint("list_apps", "/v1/apps", get(apps::list)),
        Endpoint("get_app", APP, get(apps::read)),
        Endpoint("delete_app", APP, delete(apps::remove)),
        Endpoint("create_deploy_token", "/v1/apps/{app}/deploy_token", post(apps::deploy_token)),
        Endpoint("create_machine", MACHINES, post(create::create)),
        Endpoint("list_machines", MACHINES, get(read::list)),
        Endpoint("get_machine", MACHINE, get(read::get)),
        Endpoint("update_machine", MACHINE, post(update::update)),
        Endpoint("delete_machine", MACHINE, delete(life::delete)),
        Endpoint("start_machine", "/v1/apps/{app}/machines/{id}/start", post(life::start)),
        Endpoint("stop_machine", "/v1/apps/{app}/machines/{id}/stop", post(life::stop)),
        Endpoint("suspend_machine", "/v1/apps/{app}/machines/{id}/suspend", post(life::suspend)),
        Endpoint("restart_machine", "/v1/apps/{app}/machines/{id}/restart", post(life::restart)),
        Endpoint("signal_machine", "/v1/apps/{app}/machines/{id}/signal", post(life::signal)),
        Endpoint("wait_machine", "/v1/apps/{app}/machines/{id}/wait", get(wait::wait)),
        Endpoint("cordon_machine", "/v1/apps/{app}/machines/{id}/cordon", post(life::cordon)),
        Endpoint("uncordon_machine", "/v1/apps/{app}/machines/{id}/uncordon", post(life::uncordon)),
        Endpoint("get_lease", LEASE, get(lease::get)),
        Endpoint("acquire_lease", LEASE, post(lease::acquire)),
        Endpoint("release_lease", LEASE, delete(lease::release)),
        Endpoint("get_metadata", METADATA, get(metadata::get)),
        Endpoint("update_metadata", METADATA, put(metadata::update)),
        Endpoint("update_metadata", METADATA, patch(metadata::update)),
        Endpoint("get_metadata_key", METADATA_KEY, get(metadata::get_key)),
        Endpoint("set_metadata_key", METADATA_KEY, post(metadata::set_key)),
        Endpoint("delete_metadata_key", METADATA_KEY, delete(metadata::delete_key)),
        Endpoint("exec_machine", "/v1/apps/{app}/machines/{id}/exec", post(inside::exec)),
        Endpoint("list_processes", "/v1/apps/{app}/machines/{id}/ps", get(inside::processes)),
        Endpoint("get_memory", MEMORY, get(inside::memory)),
        Endpoint("set_memory", MEMORY, put(inside::set_memory)),
        Endpoint("reclaim_memory", "/v1/apps/{app}/machines/{id}/memory/reclaim", post(inside::reclaim)),
        Endpoint("list_events", "/v1/apps/{app}/machines/{id}/events", get(read::events)),
        Endpoint("list_versions", "/v1/apps/{app}/machines/{id}/versions", get(read::versions)),
        Endpoint("create_volume", VOLUMES, post(volumes::create::create)),
        Endpoint("list_volumes", VOLUMES, get(volumes::list)),
        Endpoint("get_volume", VOLUME, get(volumes::read)),
        Endpoint("update_volume", VOLUME, put(volumes::update)),
        Endpoint("extend_volume", "/v1/apps/{app}/volumes/{id}/extend", put(volumes::extend)),
        Endpoint("delete_volume", VOLUME, delete(volumes::remove)),
        Endpoint("list_snapshots", SNAPSHOTS, get(snapshots::list)),
        Endpoint("create_snapshot", SNAPSHOTS, post(snapshots::create)),
        Endpoint("list_secrets", SECRETS, get(secrets::list)),
        Endpoint("set_secrets", SECRETS, post(secrets::set_many)),
        Endpoint("get_secret", SECRET, get(secrets::read)),
        Endpoint("set_secret", SECRET, post(secrets::set)),
        Endpoint("delete_secret", SECRET, delete(secrets::remove)),
        Endpoint("list_ips", IPS, get(ips::list)),
        Endpoint("assign_ip", IPS, post(ips::assign)),
        Endpoint("release_ip", "/v1/apps/{app}/ip_assignments/{ip}", delete(ips::release)),
        Endpoint("list_certificates", CERTIFICATES, get(certificates::list)),
        Endpoint("add_certificate", "/v1/apps/{app}/certificates/acme", post(certificates::add)),
        Endpoint("add_custom_certificate", "/v1/apps/{app}/certificates/custom", post(certificates::bring)),
        Endpoint("get_certificate", CERTIFICATE, get(certificates::read)),
        Endpoint("check_certificate", "/v1/apps/{app}/certificates/{hostname}/check", post(certificates::check)),
        Endpoint("delete_certificate", CERTIFICATE, delete(certificates::remove)),
        Endpoint("delete_acme_certificate", "/v1/apps/{app}/certificates/{hostname}/acme", delete(certificates::remove_acme)),
        Endpoint("delete_custom_certificate", "/v1/apps/{app}/certificates/{hostname}/custom", delete(certificates::remove_custom)),
        Endpoint("list_org_machines", "/v1/orgs/{org}/machines", get(orgs::machines)),
        Endpoint("list_org_volumes", "/v1/orgs/{org}/volumes", get(orgs::volumes)),
        Endpoint("list_regions", "/v1/platform/regions", get(platform::regions)),
        Endpoint("simulate_placements", "/v1/platform/placements", post(placements::simulate)),
        Endpoint("current_token", "/v1/tokens/current", get(platform::current_token)),
        Endpoint("list_logs", "/api/v1/apps/{app}/logs", get(logs::list)),
    ]
}

/// Whether an action only reads: it ends with its caller and has no effect.
pub(crate) fn is_reading(action: &str) -> bool {
    ["get_", "list_", "wait_", "current_"].iter().any(|verb| action.starts_with(verb))
}

/// Whether an action is served by the upstream of apps, addresses and certificates, whose refusals have another form.
pub(crate) fn is_platform(action: &str) -> bool {
    ["_app", "_apps", "_deploy_token", "_ip", "_ips", "_certificate", "_certificates"].iter().any(|noun| action.ends_with(noun))
}

pub(crate) fn router(world: &Shared) -> Router {
    let admit = |action| from_fn_with_state((Arc::clone(world), action), admission::admit);
    endpoints()
        .into_iter()
        .fold(Router::new(), |router, Endpoint(action, path, answer)| router.route(path, answer.route_layer(admit(action))))
        .fallback(refusal::unknown_route)
        .method_not_allowed_fallback(refusal::unknown_route)
        .with_state(Arc::clone(world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_action_and_every_action_its_endpoint() {
        let mut served: Vec<_> = endpoints().iter().map(|endpoint| endpoint.0).collect();
        served.dedup();
        assert_eq!(served, ACTIONS);
    }
}
