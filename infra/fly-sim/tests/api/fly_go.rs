//! Everything that Fly's own Go client reads, in its types: it is what a client of Fly's is most like.
//!
//! Whatever is answered here is decoded strictly, so that a text where Go has a number, a time that is `""`, or a status that is no text is
//! a failure, though a lenient client would not notice.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Fly, machine};

#[derive(Deserialize)]
struct CreatedApp {
    id: String,
    created_at: i64,
}

#[derive(Deserialize)]
struct App {
    id: String,
    name: String,
    internal_numeric_id: i32,
    network: String,
    organization: Organization,
    #[serde(rename = "machine_count")]
    _machine_count: u32,
    #[serde(rename = "volume_count")]
    _volume_count: u32,
    cname_target: String,
    status: String,
}

#[derive(Deserialize)]
struct Organization {
    slug: String,
    #[serde(rename = "internal_numeric_id")]
    _internal_numeric_id: i32,
}

#[derive(Deserialize)]
struct Machine {
    id: String,
    instance_id: String,
    version: String,
    #[serde(rename = "created_at")]
    _created_at: Timestamp,
    #[serde(rename = "updated_at")]
    _updated_at: Timestamp,
    image_ref: ImageRef,
    events: Vec<Event>,
    checks: Vec<Check>,
    host_status: String,
    nonce: Option<String>,
    config: Option<BTreeMap<String, Value>>,
    incomplete_config: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct ImageRef {
    registry: String,
    repository: String,
    tag: String,
    digest: String,
    #[serde(rename = "labels")]
    _labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    #[serde(rename = "status")]
    _status: String,
    #[serde(rename = "output")]
    _output: String,
    #[serde(rename = "updated_at")]
    _updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    #[serde(rename = "status")]
    _status: String,
    source: String,
    timestamp: i64,
    request: Option<EventRequest>,
}

#[derive(Deserialize)]
struct EventRequest {
    exit_event: Option<ExitEvent>,
    #[serde(rename = "MonitorEvent")]
    monitor_event: Option<Value>,
    #[serde(rename = "restart_count")]
    _restart_count: Option<i32>,
}

#[derive(Deserialize)]
struct ExitEvent {
    exit_code: Option<i32>,
    guest_signal: i32,
    #[serde(rename = "oom_killed")]
    _oom_killed: bool,
    requested_stop: bool,
    #[serde(rename = "exited_at")]
    _exited_at: Timestamp,
}

#[derive(Deserialize)]
struct Lease {
    status: String,
    data: LeaseData,
}

#[derive(Deserialize)]
struct LeaseData {
    nonce: String,
    expires_at: i64,
    version: String,
    #[serde(rename = "owner")]
    _owner: String,
}

#[derive(Deserialize)]
struct Volume {
    id: String,
    state: String,
    attached_machine_id: Option<String>,
    #[serde(rename = "created_at")]
    _created_at: Timestamp,
    size_gb: i32,
    #[serde(rename = "snapshot_retention")]
    _snapshot_retention: i32,
    #[serde(rename = "auto_backup_enabled")]
    _auto_backup_enabled: bool,
    #[serde(rename = "encrypted")]
    _encrypted: bool,
    host_status: String,
}

#[derive(Deserialize)]
struct Extended {
    volume: Volume,
    needs_restart: bool,
}

#[derive(Deserialize)]
struct Snapshot {
    id: String,
    #[serde(rename = "size")]
    _size: i32,
    #[serde(rename = "created_at")]
    _created_at: Timestamp,
    #[serde(rename = "status")]
    _status: String,
}

#[derive(Deserialize)]
struct Secrets {
    version: u64,
    #[serde(rename = "Version")]
    deprecated_version: u64,
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Secret {
    name: String,
    digest: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Ip {
    ip: String,
    shared: bool,
    #[serde(rename = "created_at")]
    _created_at: Timestamp,
    #[serde(rename = "region")]
    _region: String,
}

#[derive(Deserialize)]
struct Certificate {
    hostname: String,
    status: String,
    acme_requested: bool,
    configured: bool,
    rate_limited_until: Option<Timestamp>,
    validation_errors: Vec<Value>,
    dns_requirements: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Waited {
    ok: bool,
    state: String,
    version: String,
}

#[derive(Deserialize)]
struct Started {
    previous_state: String,
    migrated: bool,
    #[serde(rename = "new_host")]
    _new_host: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    regions: Vec<Region>,
    nearest: String,
}

#[derive(Deserialize)]
struct Region {
    code: String,
    #[serde(rename = "latitude")]
    _latitude: f32,
    #[serde(rename = "capacity")]
    _capacity: i64,
    #[serde(rename = "requires_paid_plan")]
    _requires_paid_plan: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Placements {
    regions: Vec<Placement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Placement {
    region: String,
    count: i32,
}

/// Asks, looks at the answer as a whole, and reads it in the client's types.
struct Client(Fly);

impl Client {
    async fn ask(&self, method: Method, path: &str, body: Value, expected: u16) -> Value {
        let (status, answer) = self.0.call(method, path, body).await;
        assert_eq!(status, expected, "{path}: {answer}");
        look(path, "", &answer);
        answer
    }

    async fn read<T: DeserializeOwned>(&self, method: Method, path: &str, body: Value, expected: u16) -> T {
        let answer = self.ask(method, path, body, expected).await;
        serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{path}: {error}: {answer:#}"))
    }

    /// The text of a refusal: `message` before `error`, and a `status` that is a text or absent.
    async fn refused(&self, method: Method, path: &str, body: Value, expected: u16) -> String {
        let answer = self.ask(method, path, body, expected).await;
        answer["message"].as_str().or(answer["error"].as_str()).unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
    }
}

/// What holds of every answer, wherever it stands in it.
fn look(path: &str, name: &str, value: &Value) {
    match (name, value) {
        ("status" | "version" | "state", value) => {
            assert!(value.is_string() || (name == "version" && value.is_u64()), "{path}: {name} is {value}");
        }
        ("attached_machine_id" | "attached_alloc_id", value) => assert!(value.is_null() || value != "", "{path}: {name} reads as attached"),
        (name, Value::String(text)) if name.ends_with("_at") || name.ends_with("_until") => {
            assert!(text.parse::<Timestamp>().is_ok(), "{path}: {name} is {text:?}");
        }
        _ => {}
    }
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| look(path, name, value)),
        Value::Array(items) => items.iter().for_each(|item| look(path, "", item)),
        _ => {}
    }
}

use Method as M;

#[tokio::test]
async fn apps_and_what_belongs_to_them_are_answered_in_the_types_of_fly_s_client() {
    let fly = Client(Fly::new().await);
    // What is unset is sent all the same.
    let app = json!({ "name": "a", "org_slug": "personal", "network": "", "app_role_id": "", "enable_subdomains": false });
    let created: CreatedApp = fly.read(M::POST, "/v1/apps?wait=true", app, 201).await;
    assert!(created.created_at > 1_600_000_000_000, "milliseconds");
    let app: App = fly.read(M::GET, "/v1/apps/a", Value::Null, 200).await;
    assert_eq!((app.id, app.name.as_str(), app.network.as_str()), (created.id, "a", "default"));
    assert_eq!((app.organization.slug.as_str(), app.status.as_str(), app.cname_target.as_str()), ("personal", "pending", "a.fly.dev"));
    assert!(app.internal_numeric_id > 0);

    let secrets: Secrets = fly.read(M::POST, "/v1/apps/a/secrets", json!({ "values": { "A": "1", "B": null } }), 200).await;
    assert_eq!((secrets.version, secrets.deprecated_version), (1, 1));
    let secret = &secrets.secrets[0];
    assert_eq!((secret.name.as_str(), secret.digest.is_empty(), secret.value.is_none()), ("A", false, true));
    let _: Value = fly.read(M::GET, "/v1/apps/a/secrets?version=1&show_secrets=true", Value::Null, 200).await;

    let path = "/v1/apps/a/ip_assignments";
    for (kind, shared) in [("shared_v4", true), ("v6", false)] {
        let ip: Ip =
            fly.read(M::POST, path, json!({ "type": kind, "region": "", "org_slug": "", "network": "", "service_name": "" }), 200).await;
        assert_eq!(ip.shared, shared);
        let listed = fly.ask(M::GET, path, Value::Null, 200).await;
        let listed: Vec<Ip> = serde_json::from_value(listed["ips"].clone()).unwrap();
        assert!(listed.iter().any(|listed| listed.ip == ip.ip));
        // An IPv6 address comes with its colons as they are.
        fly.ask(M::DELETE, &format!("{path}/{}", ip.ip), Value::Null, 204).await;
    }

    let certificate: Certificate = fly.read(M::POST, "/v1/apps/a/certificates/acme", json!({ "hostname": "*.example.com" }), 201).await;
    assert_eq!((certificate.hostname.as_str(), certificate.status.as_str()), ("*.example.com", "pending_validation"));
    let read: Certificate = fly.read(M::GET, "/v1/apps/a/certificates/%2A.example.com", Value::Null, 200).await;
    assert!(read.acme_requested && !read.configured && read.rate_limited_until.is_none() && read.validation_errors.is_empty());
    let checked: Certificate = fly.read(M::POST, "/v1/apps/a/certificates/%2A.example.com/check", Value::Null, 200).await;
    assert!(checked.dns_requirements.contains_key("acme_challenge"));

    let regions: Regions = fly.read(M::GET, "/v1/platform/regions", Value::Null, 200).await;
    assert_eq!((regions.regions[0].code.as_str(), regions.nearest.as_str()), ("ams", "iad"));
    let wish = json!({ "org_slug": "personal", "region": "fra", "count": 2, "weights": null, "compute": null, "volume_name": "" });
    let placements: Placements = fly.read(M::POST, "/v1/platform/placements", wish, 200).await;
    assert_eq!((placements.regions[0].region.as_str(), placements.regions[0].count), ("fra", 2));

    assert!(fly.refused(M::POST, "/v1/apps", json!({ "name": "a", "org_slug": "personal" }), 422).await.contains("already been taken"));
    assert!(fly.refused(M::GET, "/v1/apps/none", Value::Null, 404).await.contains("Could not find App"));
}

#[tokio::test]
async fn machines_and_volumes_are_answered_in_the_types_of_fly_s_client() {
    let fly = Client(Fly::new().await);
    fly.0.app("a").await;
    let unset = json!({
        "name": "data", "region": "fra", "size_gb": 1, "encrypted": null, "snapshot_retention": null, "auto_backup_enabled": null,
        "require_unique_zone": null, "snapshot_id": null, "source_volume_id": null, "compute": null, "compute_image": "", "fstype": null,
    });
    let volume: Volume = fly.read(M::POST, "/v1/apps/a/volumes", unset, 200).await;
    assert_eq!((volume.attached_machine_id, volume.state.as_str(), volume.host_status.as_str()), (None, "created", "ok"));
    let disk = format!("/v1/apps/a/volumes/{}", volume.id);
    let extended: Extended = fly.read(M::PUT, &format!("{disk}/extend"), json!({ "size_gb": 2 }), 200).await;
    assert_eq!((extended.volume.size_gb, extended.needs_restart), (2, false));
    let _: Volume = fly.read(M::PUT, &disk, json!({ "snapshot_retention": 9, "auto_backup_enabled": null }), 200).await;
    fly.ask(M::POST, &format!("{disk}/snapshots"), Value::Null, 200).await;
    let snapshots: Vec<Snapshot> = fly.read(M::GET, &format!("{disk}/snapshots"), Value::Null, 200).await;
    assert!(snapshots[0].id.starts_with("vs_"));

    let service = json!({
        "protocol": "tcp", "internal_port": 8080, "ports": [{ "port": 443, "handlers": ["tls", "http"] }], "force_instance_key": null,
        "checks": [{ "type": "http", "path": "/live", "interval": "15s" }],
    });
    let config = json!({
        "image": "registry.fly.io/tenant:1", "init": {}, "restart": { "policy": "no" }, "services": [service],
        "mounts": [{ "volume": volume.id, "path": "/data" }], "metadata": {},
    });
    let body = json!({ "name": "m", "region": "fra", "config": config, "skip_secrets": false, "skip_launch": false, "lease_ttl": 60 });
    let made: Machine = fly.read(M::POST, "/v1/apps/a/machines", body, 200).await;
    assert_eq!((made.version.len(), &made.version, made.host_status.as_str()), (26, &made.instance_id, "ok"));
    let ImageRef { registry, repository, tag, digest, .. } = &made.image_ref;
    assert_eq!(
        (registry.as_str(), repository.as_str(), tag.as_str(), digest.starts_with("sha256:")),
        ("registry.fly.io", "tenant", "1", true)
    );
    let nonce = made.nonce.expect("a lease was asked for");
    let id = made.id.as_str();
    fly.0.reach(id, "started").await;

    // The client takes the lease with a query, keeps its nonce while it prolongs it, and gives it back.
    let held: Lease = fly.read(M::GET, &machine(id, "/lease"), Value::Null, 200).await;
    assert_eq!((held.status.as_str(), &held.data.version, &held.data.nonce), ("success", &made.instance_id, &nonce));
    let prolonged = fly.0.send(M::POST, &machine(id, "/lease?ttl=90"), &[("fly-machine-lease-nonce", &nonce)], Value::Null).await;
    assert_eq!(prolonged.status(), 201);
    let again: Lease = fly.read(M::GET, &machine(id, "/lease"), Value::Null, 200).await;
    assert!(again.data.nonce == nonce && again.data.expires_at > held.data.expires_at && again.data.expires_at < 10_000_000_000, "seconds");
    assert!(fly.refused(M::POST, &machine(id, "/lease?ttl=5"), Value::Null, 409).await.contains("lease currently held by"));
    let freed = fly.0.send(M::DELETE, &machine(id, "/lease"), &[("fly-machine-lease-nonce", &nonce)], Value::Null).await;
    assert_eq!(freed.status(), 200);

    // One state, or several: repeated, and with a comma that arrives encoded.
    let wait = machine(id, &format!("/wait?version={}&timeout=5&state=started&state=stopped%2Csuspended", made.version));
    let waited: Waited = fly.read(M::GET, &wait, Value::Null, 200).await;
    assert_eq!((waited.ok, waited.state.as_str(), waited.version), (true, "started", made.version));
    assert!(fly.refused(M::DELETE, &machine(id, "?kill=false"), Value::Null, 412).await.contains("unable to destroy"), "not by force");
    fly.ask(M::POST, &machine(id, "/exec"), json!({ "cmd": "echo 'a b'", "timeout": 5 }), 200).await;
    fly.ask(M::POST, &machine(id, "/restart?timeout=2s&force_stop=false"), Value::Null, 200).await;
    fly.0.reach(id, "started").await;
    fly.ask(M::POST, &machine(id, "/signal"), json!({ "signal": 9 }), 200).await;
    fly.0.reach(id, "stopped").await;
    let started: Started = fly.read(M::POST, &machine(id, "/start"), Value::Null, 200).await;
    assert_eq!((started.previous_state.as_str(), started.migrated), ("stopped", false));
    fly.0.reach(id, "started").await;
    fly.ask(M::POST, &machine(id, "/stop"), json!({ "id": id, "signal": "SIGTERM", "timeout": "0s" }), 200).await;
    fly.0.reach(id, "stopped").await;

    let read: Machine = fly.read(M::GET, &machine(id, ""), Value::Null, 200).await;
    assert_eq!(read.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["servicecheck-00-http-8080"]);
    assert!(read.config.is_some() && read.incomplete_config.is_none() && read.events.len() == 5);
    let events: Vec<Event> = fly.read(M::GET, &machine(id, "/events?limit=50"), Value::Null, 200).await;
    assert!(events.iter().map(|event| event.timestamp).is_sorted_by(|newer, older| newer >= older), "newest first");
    assert!(events.iter().all(|event| (1_600_000_000_000..4_000_000_000_000).contains(&event.timestamp)), "milliseconds");
    assert!(events.iter().all(|event| ["user", "flyd"].contains(&event.source.as_str()) && !event.r#type.is_empty()));
    let exits: Vec<&ExitEvent> = events.iter().filter_map(|event| event.request.as_ref()?.exit_event.as_ref()).collect();
    let told: Vec<_> = exits.iter().map(|exit| (exit.requested_stop, exit.guest_signal, exit.exit_code)).collect();
    assert_eq!(told, [(true, 0, None), (false, 9, None), (true, 0, None)], "the stop, the signal, the restart");
    assert!(events.iter().filter_map(|event| event.request.as_ref()).all(|request| request.monitor_event.is_none()));

    let volumes: Vec<Volume> = fly.read(M::GET, "/v1/apps/a/volumes", Value::Null, 200).await;
    assert_eq!(volumes[0].attached_machine_id.as_deref(), Some(id));
    let update = json!({ "config": config, "current_version": read.instance_id, "skip_launch": true });
    let updated: Machine = fly.read(M::POST, &machine(id, ""), update, 200).await;
    assert_ne!(updated.version, read.version);
    fly.0.reach(id, "stopped").await;
    fly.0.simulator.set_host_status(id, "unreachable");
    let silent: Vec<Machine> = fly.read(M::GET, "/v1/apps/a/machines", Value::Null, 200).await;
    assert!(silent[0].config.is_none() && silent[0].incomplete_config.is_some());
    fly.0.simulator.set_host_status(id, "ok");
    fly.ask(M::GET, "/v1/orgs/personal/machines", Value::Null, 200).await;
    fly.ask(M::GET, "/v1/orgs/personal/volumes", Value::Null, 200).await;

    fly.ask(M::DELETE, &machine(id, "?kill=true"), Value::Null, 200).await;
    fly.0.reach(id, "destroyed").await;
    let deleted: Volume = fly.read(M::DELETE, &disk, Value::Null, 200).await;
    assert_eq!((deleted.attached_machine_id, deleted.state.as_str()), (None, "pending_destroy"));
    assert!(fly.refused(M::GET, &machine("00000000000000", ""), Value::Null, 404).await.contains("not found"));
}
