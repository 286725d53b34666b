//! What a machine's program finds in its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::Program;
use super::config::Config;
use super::ports::Ports;
use crate::host::Boot;

/// The whole environment, later lines winning: the image's, the configuration's, the app's secrets, what Fly sets, and what a machine on a
/// shared host must know. Nothing of this host's own environment goes in but `PATH`: it holds the operator's credentials.
///
/// Fly's part follows <https://fly.io/docs/machines/runtime-environment/>.
pub(super) fn environment(boot: &Boot, config: &Config, program: &Program, ports: &Ports, root: &Path) -> BTreeMap<OsString, OsString> {
    let mut environment = BTreeMap::new();
    let mut set = |name: &str, value: OsString| environment.insert(OsString::from(name), value);
    if let Some(path) = std::env::var_os("PATH") {
        set("PATH", path);
    }
    for (name, value) in program.env.iter().map(|(name, value)| (name, value)).chain(&config.env).chain(secrets(config, &boot.secrets)) {
        set(name, value.into());
    }
    set("FLY_APP_NAME", (&boot.app).into());
    set("FLY_MACHINE_ID", (&boot.machine).into());
    set("FLY_ALLOC_ID", (&boot.machine).into());
    set("FLY_REGION", (&boot.region).into());
    set("FLY_MACHINE_VERSION", (&boot.instance_id).into());
    set("FLY_PRIVATE_IP", (&boot.private_ip).into());
    set("FLY_IMAGE_REF", (&config.image).into());
    if let Some(memory_mb) = config.guest.memory_mb {
        set("FLY_VM_MEMORY_MB", memory_mb.to_string().into());
    }
    // A program listens on the first port by default; further ones are named by their internal port.
    for (nth, internal_port) in config.internal_ports().into_iter().enumerate() {
        if let Some(port) = ports.services.get(&internal_port) {
            let listen = OsString::from(format!("127.0.0.1:{port}"));
            if nth == 0 {
                set("ROCKPOOL_LISTEN", listen.clone());
            }
            set(&format!("ROCKPOOL_LISTEN_{internal_port}"), listen);
        }
    }
    set("ROCKPOOL_METRICS_LISTEN", format!("127.0.0.1:{}", ports.metrics).into());
    set("ROCKPOOL_GATEWAY_PORT", ports.gateway.to_string().into());
    set("ROCKPOOL_ROOT", root.into());
    set("ROCKPOOL_LIFELINE", "stdin".into());
    environment
}

/// The secrets that a process finds, by variable: all of the app's, unless it names its own or wants none.
fn secrets<'a>(config: &'a Config, app: &'a BTreeMap<String, String>) -> Vec<(&'a String, &'a String)> {
    match config.processes.first() {
        Some(process) if process.ignore_app_secrets || !process.secrets.is_empty() => {
            let named = process.secrets.iter().filter_map(|secret| {
                let name = if secret.name.is_empty() { &secret.env_var } else { &secret.name };
                Some((&secret.env_var, app.get(name)?))
            });
            named.collect()
        }
        _ => app.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_process_finds_the_app_s_secrets_or_those_that_it_names() {
        let app = BTreeMap::from([("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        let found = |processes: Value| -> Vec<String> {
            let config: Config = serde_json::from_value(json!({ "image": "i", "processes": processes })).unwrap();
            secrets(&config, &app).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert_eq!(found(Value::Null), ["A=1", "B=2"]);
        assert_eq!(found(json!([{ "ignore_app_secrets": false, "secrets": null }])), ["A=1", "B=2"]);
        assert_eq!(found(json!([{ "ignore_app_secrets": true }])), Vec::<String>::new());
        let named = json!([{ "env_var": "X", "name": "B" }, { "env_var": "A" }, { "env_var": "C", "name": "NONE" }]);
        assert_eq!(found(json!([{ "secrets": named }])), ["X=2", "A=1"]);
    }
}
