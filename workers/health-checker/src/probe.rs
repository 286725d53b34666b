use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

/// What a whole check may take: name, connection, TLS, answer. A black hole costs this much and no more.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The supervisor's report is a few hundred bytes.
const LARGEST_REPORT: usize = 64 * 1024;

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The supervisor says that the gateway answers.
    Well,
    /// Anything else, in a few words.
    Missed(String),
}

#[derive(Deserialize)]
struct Report {
    gateway: Gateway,
}

#[derive(Deserialize)]
struct Gateway {
    phase: String,
}

/// The way to an instance. Simulations have one of their own.
pub trait Ask: Send + Sync {
    /// Asks the supervisor at an instance's origin. It takes a few seconds at most, whatever is there.
    fn ask(&self, address: &str) -> impl Future<Output = Seen> + Send;
}

/// Asks instances how they are. hyper itself and not reqwest: measured at about twice the checks per second.
#[derive(Clone)]
pub struct Probe {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Empty<Bytes>>,
    timeout: Duration,
}

/// No client could be built.
#[derive(Debug, thiserror::Error)]
#[error("the TLS client could not be configured")]
pub struct ProbeError(#[from] rustls::Error);

impl Probe {
    /// A probe with connections of its own. It keeps none open between two minutes: at ten thousand instances that would be ten
    /// thousand sockets that are idle for 59 of 60 seconds.
    ///
    /// # Errors
    /// If TLS cannot be configured.
    pub fn new() -> Result<Self, ProbeError> {
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https), timeout: TIMEOUT })
    }

    /// The same probe with another patience.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn health(&self, address: &str) -> Seen {
        let request = match Request::get(format!("{address}/health")).body(Empty::new()) {
            Ok(request) => request,
            Err(error) => return Seen::Missed(format!("its address cannot be asked: {error}")),
        };
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Seen::Missed("no connection".to_owned()),
            Err(_) => return Seen::Missed("the connection broke".to_owned()),
        };
        let status = answer.status();
        let Ok(body) = Limited::new(answer.into_body(), LARGEST_REPORT).collect().await else {
            return Seen::Missed(format!("{status}, and the answer broke off"));
        };
        // A 200 alone proves little: a proxy's own page is one too.
        match (status, serde_json::from_slice::<Report>(&body.to_bytes())) {
            (StatusCode::OK, Ok(report)) if report.gateway.phase == "ready" => Seen::Well,
            (_, Ok(report)) => Seen::Missed(format!("the gateway is {}", shown(&report.gateway.phase))),
            (status, Err(_)) => Seen::Missed(format!("{status} from something that is no supervisor")),
        }
    }
}

/// A phase as it may stand in a log and in a suspect's item: a supervisor's are words, and anything else comes from whoever has
/// the tenant's machine in hand.
fn shown(phase: &str) -> String {
    let word = |c: char| if c.is_ascii_lowercase() || c == '_' { c } else { '?' };
    phase.chars().map(word).take(32).collect()
}

impl Ask for Probe {
    async fn ask(&self, address: &str) -> Seen {
        match tokio::time::timeout(self.timeout, self.health(address)).await {
            Ok(seen) => seen,
            Err(_) => Seen::Missed(format!("no answer in {:?}", self.timeout)),
        }
    }
}

/// The system's names, but that names under `localhost` are this machine.
#[derive(Clone)]
struct Resolver;

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move { shell::resolve(name.as_str()).await })
    }
}
