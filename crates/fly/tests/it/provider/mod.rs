//! What the ports of the flows do about single answers that the simulated Fly.io does not give, or not on request.

mod apps;
mod machines;
mod volumes;

use std::time::Duration;

use durable::Setback;
use flows::ports::{MachineSpec, VolumeSpec};
use fly::Provider;
use serde_json::{Value, json};

use crate::scripted::{Line, Scripted, json as reply};

const APP: &str = "rp-test-1";
const MACHINE: &str = "148e21f71d9e89";

fn provider(fly: &Scripted) -> Provider {
    Provider::new(fly.client.clone(), "acme")
}

fn error(status: u16, text: &str) -> Line {
    reply(status, json!({ "error": text }))
}

fn app(org: &str, network: &str) -> Line {
    reply(200, json!({ "name": APP, "organization": { "slug": org }, "network": network }))
}

fn app_list(apps: Value) -> Line {
    reply(200, json!({ "apps": apps }))
}

fn machine(state: &str) -> Value {
    let config = json!({ "metadata": { "rockpool_instance": "ins_1" }, "mounts": [{ "volume": "vol_1", "path": "/data" }] });
    json!({ "id": MACHINE, "name": "gateway-1", "state": state, "region": "fra", "config": config })
}

pub(crate) fn machine_spec(app: &str, volume: &str) -> MachineSpec {
    let map = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    MachineSpec {
        app: app.to_owned(),
        name: "gateway-1".to_owned(),
        region: "fra".parse().unwrap(),
        volume: volume.to_owned(),
        mount_path: "/data".to_owned(),
        size: domain::PlanId::Pro.plan().machine,
        image: "registry.fly.io/rockpool-tenant:openclaw-1".to_owned(),
        env: map("ROCKPOOL_FAMILY", "openclaw"),
        files: map("/etc/rockpool/gateway.json", "{}"),
        metadata: map("rockpool_instance", "ins_1"),
        internal_port: 8080,
        metrics_port: 9091,
        check_path: "/_rockpool/live".to_owned(),
        stop_timeout_seconds: 10,
        min_secrets_version: 0,
    }
}

pub(crate) fn volume_spec(app: &str, region: &str) -> VolumeSpec {
    VolumeSpec {
        app: app.to_owned(),
        name: "data_1".to_owned(),
        region: region.parse().unwrap(),
        size_gb: 5,
        machine: domain::PlanId::Pro.plan().machine,
    }
}

fn fatal<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> String {
    match attempt {
        Err(Setback::Fatal { why }) => why,
        other => panic!("expected the end, got {other:?}"),
    }
}

fn not_yet<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> Duration {
    match attempt {
        Err(Setback::NotYet { look_again_in, .. }) => look_again_in,
        other => panic!("expected a pause, got {other:?}"),
    }
}

fn retry<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> Option<Duration> {
    match attempt {
        Err(Setback::Retry { after, .. }) => after,
        other => panic!("expected another attempt, got {other:?}"),
    }
}
