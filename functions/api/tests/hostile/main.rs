//! Every route with everything that it was not made for, on the embedded store.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod creating;
mod everywhere;
mod listing;
mod sockets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use access::{Signer, SigningKey};
use api::Api;
use async_trait::async_trait;
use aws_sim::{AwsSim, Options};
use axum::Router;
use axum::body::Body;
use durable::{Catalogue, Clock, Engine, Execute, RunId, Unknown, Wake, WakeError};
use dynamo::Store;
use edge::Cursors;
use flows::Deployment;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use identity::testing::Issuer;
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

struct Now;

#[async_trait]
impl Clock for Now {
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

struct Unsent;

#[async_trait]
impl Wake for Unsent {
    async fn wake(&self, _: &RunId, _: Duration) -> Result<(), WakeError> {
        Ok(())
    }
}

struct NoFlows;

impl Catalogue for NoFlows {
    fn open(&self, _: &str, _: u32, _: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        Err(Unknown::Version)
    }
}

/// The API, its issuer, and the runtime that carries them: one of each for all cases, so that one request could spoil the next.
struct App {
    router: Router,
    issuer: Arc<Issuer>,
    runtime: Runtime,
    people: AtomicUsize,
    /// Holds the store's content.
    _sim: AwsSim,
}

static APP: LazyLock<App> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(App::start()).map(runtime)
});

/// [`App`] but for the runtime in which it was made.
struct Started(Router, Arc<Issuer>, AwsSim);

impl Started {
    fn map(self, runtime: Runtime) -> App {
        App { router: self.0, issuer: self.1, runtime, people: AtomicUsize::new(0), _sim: self.2 }
    }
}

impl App {
    async fn start() -> Started {
        let sim = AwsSim::open(Options::default()).await.unwrap();
        dynamo::create_table(&sim.dynamodb(), "rockpool").await.unwrap();
        let deployment = Deployment {
            name: "test".to_owned(),
            address: "https://{app}.fly.dev".to_owned(),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };
        let store = Store::new(sim.dynamodb(), "rockpool", deployment.clone(), Arc::new(Now));
        let issuer = Issuer::start();
        let router = api::router(Api {
            verifier: issuer.verifier(),
            engine: Engine::new(Arc::new(store.clone()), Arc::new(Unsent), Arc::new(Now), Arc::new(NoFlows)),
            store,
            deployment,
            signer: Arc::new(Signer::new(SigningKey::generate().unwrap())),
            cursors: Cursors::new(&[7; 32]),
        });
        Started(router, issuer, sim)
    }

    /// A bearer token of somebody who was never here before.
    fn somebody(&self) -> String {
        self.issuer.token(&format!("person-{}", self.people.fetch_add(1, Ordering::Relaxed)))
    }

    /// The answer to a request with these headers, as far as HTTP can carry them; otherwise none.
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &[u8])], body: impl Into<Body>) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(target).body(body.into()).ok()?;
        for (name, value) in headers {
            request.headers_mut().append(http::HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(self.runtime.block_on(async {
            let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
        }))
    }

    /// A request with a token and, if there is one, a JSON body.
    fn call(&self, token: &str, method: &str, target: &str, body: &str) -> Option<Answer> {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_bytes())];
        if !body.is_empty() {
            headers.push(("content-type", b"application/json"));
        }
        let answer = self.ask(method, target, &headers, body.to_owned())?;
        let said = format!("{} {:?}", String::from_utf8_lossy(&answer.body), answer.headers);
        assert!(!said.contains(token), "the token is in the answer {said}");
        Some(answer)
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Fails unless it is a success, or a whole problem document that blames the caller and is no longer than what a caller needs.
    fn check(&self) -> &Self {
        if self.status.is_success() {
            return self;
        }
        assert!(self.status.is_client_error(), "{} {}", self.status, self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json", "{} {}", self.status, self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(json["type"].as_str().is_some_and(|kind| kind.starts_with("https://rockpool.dev/problems/")), "{json}");
        assert!(["title", "detail"].into_iter().all(|member| json[member].as_str().is_some_and(|text| !text.is_empty())), "{json}");
        assert_eq!(json["request_id"].as_str().unwrap().as_bytes(), self.headers["x-request-id"].as_bytes());
        assert!(self.body.len() < 8192, "an answer of {} bytes", self.body.len());
        self
    }
}
