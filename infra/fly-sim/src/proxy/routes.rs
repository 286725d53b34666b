//! The routes of a simulator whose machines are processes.

use std::net::{Ipv4Addr, SocketAddr};

use async_trait::async_trait;
use serde_json::Value;

use super::{Route, Routes, Target};
use crate::processes::Processes;
use crate::simulator::Simulator;

/// Asks the simulator which machine of an app takes requests, and the host where it listens.
#[derive(Clone)]
pub struct SimulatorRoutes {
    simulator: Simulator,
    processes: Processes,
}

impl SimulatorRoutes {
    /// The routes of this simulator, whose host must be these processes.
    pub fn new(simulator: Simulator, processes: Processes) -> Self {
        Self { simulator, processes }
    }
}

#[async_trait]
impl Routes for SimulatorRoutes {
    async fn route(&self, app: &str) -> Route {
        if let Some(machine) = self.simulator.routable(app)
            && let Some(internal_port) = web_port(&machine.config)
            && let Some(port) = self.processes.port(&machine.id, internal_port)
        {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            return Route::To(Target { machine: machine.id, region: machine.region, address });
        }
        // An app without a machine is known too: it may be between two of them.
        if self.simulator.inventory().apps.iter().any(|known| known == app) { Route::Unroutable } else { Route::Unknown }
    }

    /// Wakes the app's machines whose web service has `autostart`.
    async fn wake(&self, app: &str) -> bool {
        self.simulator.autostart(app, |machine| autostarts(&machine.config)).await
    }
}

/// Whether a request may start a machine: `autostart` of the service that answers it, which is on by default
/// (<https://fly.io/docs/reference/fly-proxy-autostop-autostart/>).
fn autostarts(config: &Value) -> bool {
    config["disable_machine_autostart"] != true && web_service(config).is_some_and(|service| service["autostart"] != false)
}

fn web_port(config: &Value) -> Option<u16> {
    u16::try_from(web_service(config)?["internal_port"].as_u64()?).ok()
}

/// The service that answers on the web's ports. Here one port stands for both 80 and 443; nobody encrypts on loopback, so `force_https` is not followed.
fn web_service(config: &Value) -> Option<&Value> {
    let services = config["services"].as_array()?;
    let on_the_web = |service: &&Value| {
        let ports = service["ports"].as_array().into_iter().flatten();
        ports.filter_map(|port| port["port"].as_u64()).any(|port| port == 80 || port == 443)
    };
    services.iter().find(on_the_web)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_web_goes_to_the_service_that_answers_on_80_or_443() {
        let internal = json!({"internal_port": 9000, "ports": [{"port": 5432}]});
        let web = json!({"internal_port": 8080, "ports": [{"port": 443, "handlers": ["tls", "http"]}, {"port": 80, "force_https": true}]});
        assert_eq!(web_port(&json!({"services": [internal, web]})), Some(8080));
        assert_eq!(web_port(&json!({"services": [internal]})), None);
        assert_eq!(web_port(&json!({})), None);
    }

    #[test]
    fn a_request_starts_a_machine_unless_its_web_service_forbids_it() {
        let config = |autostart: Value| json!({"services": [{"internal_port": 80, "ports": [{"port": 80}], "autostart": autostart}]});
        assert!(autostarts(&config(json!(true))) && autostarts(&config(Value::Null)));
        assert!(!autostarts(&config(json!(false))));
        let mut disabled = config(json!(true));
        disabled["disable_machine_autostart"] = json!(true);
        assert!(!autostarts(&disabled) && !autostarts(&json!({})));
    }
}
