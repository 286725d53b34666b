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
}

/// The internal port of the service that answers on the web's ports. Here one port stands for both 80 and 443; nobody encrypts on loopback, so `force_https` is not followed.
fn web_port(config: &Value) -> Option<u16> {
    let services = config["services"].as_array()?;
    let on_the_web = |service: &&Value| {
        let ports = service["ports"].as_array().into_iter().flatten();
        ports.filter_map(|port| port["port"].as_u64()).any(|port| port == 80 || port == 443)
    };
    services.iter().find(on_the_web).and_then(|service| u16::try_from(service["internal_port"].as_u64()?).ok())
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
}
