//! Requests through the whole router, on the embedded store.

mod bad_input;
mod create;
mod document;
mod entering;
mod foreign;
mod lambda;
mod lists;
mod operations;
mod states;
mod trouble;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{Signer, SigningKey};
use async_trait::async_trait;
use aws_sim::{AwsSim, Options};
use axum::Router;
use axum::body::Body;
use domain::{InstanceId, OperationId, OrganisationId, State};
use durable::{
    Catalogue, Claim, Clock, Ending, Engine, Execute, Guard, Held, Journal as _, Outcome, OwnerId, Phase, RunId, Unknown, Wake, WakeError,
};
use dynamo::Store;
use edge::Cursors;
use flows::{Deployment, Observed};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use identity::Caller;
use identity::testing::Issuer;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::Api;

/// The moment at which everything here happens.
const NOW: &str = "2026-11-23T12:00:00Z";

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

/// The queue: remembers what was sent, or is down.
#[derive(Default)]
struct Sent {
    runs: Mutex<Vec<RunId>>,
    down: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Wake for Sent {
    async fn wake(&self, run: &RunId, _: Duration) -> Result<(), WakeError> {
        if self.down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(WakeError("down".to_owned()));
        }
        self.runs.lock().unwrap().push(run.clone());
        Ok(())
    }
}

struct NoFlows;

impl Catalogue for NoFlows {
    fn open(&self, _: &str, _: u32, _: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        Err(Unknown::Version)
    }
}

/// The API with everything around it.
struct App {
    router: Router,
    issuer: Arc<Issuer>,
    sim: AwsSim,
    store: Store,
    sent: Arc<Sent>,
    access: access::PublicKey,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl App {
    async fn start() -> Self {
        let sim = AwsSim::open(Options::default()).await.unwrap();
        dynamo::create_table(&sim.dynamodb(), "rockpool").await.unwrap();
        let deployment = Deployment {
            name: "test".to_owned(),
            address: "https://{app}.fly.dev".to_owned(),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };
        let store = Store::new(sim.dynamodb(), "rockpool", deployment.clone(), Arc::new(Still));
        let (issuer, sent, key) = (Issuer::start(), Arc::new(Sent::default()), SigningKey::generate().unwrap());
        let access = key.public();
        let api = Api {
            verifier: issuer.verifier(),
            engine: Engine::new(Arc::new(store.clone()), sent.clone(), Arc::new(Still), Arc::new(NoFlows)),
            store: store.clone(),
            deployment,
            signer: Arc::new(Signer::new(key)),
            cursors: Cursors::new(&[7; 32]),
        };
        Self { router: crate::router(api), issuer, sim, store, sent, access }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn call_with(&self, person: &str, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.issuer.token(person)));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await
    }

    /// A request of a person, with a body or without.
    async fn call(&self, person: &str, method: &str, path: &str, body: impl Into<Option<Value>>) -> Answer {
        self.call_with(person, method, path, body.into(), &[]).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("alice", "GET", path, None).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.call("alice", "POST", path, None).await
    }

    /// Alice's new instance and the operation that makes it.
    async fn create(&self, name: &str) -> (String, String) {
        let answer = self.call("alice", "POST", "/v1/instances", wish(name)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        (answer.at("/instance/id"), answer.at("/operation/id"))
    }

    /// Alice's new instance, made.
    async fn running(&self, name: &str) -> String {
        let (instance, operation) = self.create(name).await;
        let app = format!("rp-test-{}", instance.strip_prefix("ins_").unwrap());
        let placement = json!({
            "region": "fra", "app": app, "machine": "m1", "volume": "v1", "generation": 1, "address": format!("https://{app}.fly.dev")
        });
        self.end(&operation, Outcome::Succeeded, placement).await;
        instance
    }

    /// Ends an operation, as a worker would.
    async fn end(&self, operation: &str, outcome: Outcome, value: Value) {
        let id = flows::run_id(&organisation("alice"), &operation.parse::<OperationId>().unwrap());
        let (now, owner) = (Still.now(), OwnerId("test".to_owned()));
        let claim = Claim { owner: owner.clone(), now, lease_until: now + Duration::from_secs(150) };
        let record = self.store.claim(&id, &claim).await.unwrap().expect("the run is to be had");
        let held = Held { owner, rev: record.rev };
        let mut next = record.clone();
        next.rev += 1;
        next.phase = Phase::Done { outcome: outcome.clone() };
        (next.lease_until, next.overdue_at, next.ended_at) = (None, None, Some(now));
        let ended = self.store.end(&held, &next, &Ending { outcome, value, notices: Vec::new() }, Guard::None).await.unwrap();
        assert!(matches!(ended, durable::Ended::Yes { .. }), "{ended:?}");
    }

    /// Ends the operation that is at work on an instance, which is then observed in this state.
    async fn settle(&self, instance: &str, state: State) {
        let operation = self.get(&format!("/v1/instances/{instance}")).await.at("/operation");
        let observed = serde_json::to_value(Observed { state, trouble: None }).unwrap();
        self.end(&operation, Outcome::Succeeded, observed).await;
    }

    /// Takes what was sent since the last look.
    fn sent(&self) -> Vec<String> {
        self.sent.runs.lock().unwrap().drain(..).map(|run| run.0).collect()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The text at a JSON pointer.
    fn at(&self, pointer: &str) -> String {
        let json = self.json();
        json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {json}")).to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and kind of a problem document.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text);
        assert_eq!(self.json()["status"], self.status.as_u16());
        assert_eq!(self.at("/request_id"), self.header("x-request-id"));
        let kind = self.at("/type").strip_prefix("https://rockpool.dev/problems/").unwrap().to_owned();
        (self.status.as_u16(), kind)
    }

    /// The answer for a snapshot: identifiers are numbered in the order in which they appear.
    fn shown(&self) -> Value {
        let mut text = self.text.clone();
        let mut seen: Vec<String> = Vec::new();
        let digits = |text: &str| text.len() >= 32 && text.as_bytes()[..32].iter().all(u8::is_ascii_hexdigit);
        let mut place = 0;
        while place < text.len() {
            if text.is_char_boundary(place) && digits(&text[place..]) {
                let found = text[place..place + 32].to_owned();
                let number = seen.iter().position(|one| *one == found).unwrap_or_else(|| {
                    seen.push(found);
                    seen.len() - 1
                });
                text.replace_range(place..place + 32, &(number + 1).to_string());
            }
            place += 1;
        }
        let mut json: Value = serde_json::from_str(&text).unwrap();
        if json.get("request_id").is_some() {
            json["request_id"] = json!("…");
        }
        json
    }
}

fn wish(name: &str) -> Value {
    json!({ "name": name, "plan": "team", "region": "fra" })
}

fn organisation(person: &str) -> OrganisationId {
    Caller::personal_organisation(Issuer::ADDRESS, person)
}

fn pair(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

fn nobody() -> (String, String) {
    (InstanceId::generate().to_string(), OperationId::generate().to_string())
}
