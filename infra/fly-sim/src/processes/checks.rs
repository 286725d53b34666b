//! Health checks as Fly runs them: of services (they decide on routing) and of the machine (they only inform).
//!
//! <https://fly.io/docs/reference/health-checks/>: a 2xx answer passes, a TCP check passes when it connects.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::config::Check;
use super::ports::Ports;
use crate::checks::{DeclaredCheck, declared};
use crate::host::HostEvent;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// The pace of the first looks. With the interval alone a machine that serves after 50 ms would be unrouted for another 15 s.
const EARLY_PAUSE: Duration = Duration::from_millis(100);
/// How long a machine that never passed is looked at that often.
const EARLY: Duration = Duration::from_secs(60);
/// How much of an answer is kept for people.
const OUTPUT_BYTES: usize = 1024;

/// A check of one machine, with its internal port resolved.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    name: String,
    port: Option<u16>,
    check: Check,
}

/// All checks that the configuration declares, under the names by which the API knows them.
pub(super) fn plan(config: &Value, metrics: Option<u16>, ports: &Ports) -> Result<Vec<Plan>, serde_json::Error> {
    let resolve = |internal| ports.services.get(&internal).copied().or((metrics == Some(internal)).then_some(ports.metrics));
    let plan = |declared: DeclaredCheck| {
        let check = serde_json::from_value(declared.definition)?;
        Ok(Plan { name: declared.name, port: resolve(declared.port), check })
    };
    declared(config).into_iter().map(plan).collect()
}

impl Plan {
    /// What is said of a check that has not run yet.
    pub(super) fn unknown(&self, machine: &str) -> HostEvent {
        self.verdict(machine, "warning", "waiting for status update".to_owned())
    }

    fn verdict(&self, machine: &str, status: &str, output: String) -> HostEvent {
        HostEvent::Check { machine: machine.to_owned(), name: self.name.clone(), status: status.to_owned(), output }
    }

    /// Runs the check until the machine ends, and reports changes of its verdict only. A pass counts at once; a failure only after the grace period.
    pub(super) async fn watch(self, machine: String, events: mpsc::UnboundedSender<HostEvent>, ended: CancellationToken) {
        ended.run_until_cancelled(self.watch_for_ever(machine, events)).await;
    }

    async fn watch_for_ever(self, machine: String, events: mpsc::UnboundedSender<HostEvent>) {
        let interval = self.check.interval.unwrap_or(DEFAULT_INTERVAL).max(EARLY_PAUSE);
        let grace = self.check.grace_period.unwrap_or_default();
        let booted = Instant::now();
        let (mut said, mut passed_once) = (None, false);
        loop {
            let (status, output) = match self.probe().await {
                Ok(output) => ("passing", output),
                Err(output) => ("critical", output),
            };
            passed_once |= status == "passing";
            let counts = status == "passing" || passed_once || booted.elapsed() >= grace;
            if counts && said != Some(status) {
                said = Some(status);
                if events.send(self.verdict(&machine, status, output)).is_err() {
                    return;
                }
            }
            let early = !passed_once && booted.elapsed() < EARLY.max(grace);
            sleep(if early { EARLY_PAUSE } else { interval }).await;
        }
    }

    async fn probe(&self) -> Result<String, String> {
        let port = self.port.ok_or("the check's port is no internal port of the machine's services or metrics")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let limit = self.check.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let look = async {
            match (self.check.kind.as_str(), self.check.protocol.as_deref()) {
                ("" | "tcp", _) => TcpStream::connect(address).await.map(|_| "Success".to_owned()).map_err(|error| error.to_string()),
                ("http", None | Some("" | "http")) => self.ask(address).await,
                (kind, protocol) => Err(format!("this host runs no checks of type {kind:?} with protocol {protocol:?}")),
            }
        };
        timeout(limit, look).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
    }

    async fn ask(&self, address: SocketAddr) -> Result<String, String> {
        let request = self.request(address)?;
        let asked = format!("HTTP {} http://{address}{}", request.method(), request.uri());
        let failed = |error: &dyn std::fmt::Display| format!("{asked}: {error}");
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), OUTPUT_BYTES).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let output = format!("{asked}: {status} Output: {}", String::from_utf8_lossy(&body).trim());
            if status.is_success() { Ok(output) } else { Err(output) }
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            outcome = &mut exchange => outcome,
            // The connection may end before the exchange has looked at what came over it.
            _ = &mut connection => exchange.await,
        }
    }

    fn request(&self, address: SocketAddr) -> Result<Request<Empty<Bytes>>, String> {
        let method = self.check.method.as_deref().filter(|method| !method.is_empty()).unwrap_or("GET").to_ascii_uppercase();
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?)
            .uri(self.check.path.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/"))
            .header(http::header::HOST, address.to_string())
            .header(http::header::USER_AGENT, "fly-sim check")
            .header(http::header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        for header in &self.check.headers {
            let name: HeaderName = header.name.parse().map_err(|_| format!("{:?} is no header's name", header.name))?;
            for value in &header.values {
                let value: HeaderValue = value.parse().map_err(|_| format!("the value of header {name} cannot be sent"))?;
                request.headers_mut().append(name.clone(), value);
            }
        }
        Ok(request)
    }
}
