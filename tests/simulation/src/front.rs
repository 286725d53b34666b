//! The front door: requests through the whole router of the API, by people whose connections break.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{Signer, SigningKey};
use api::Api;
use axum::Router;
use axum::body::Body;
use durable::Engine;
use dynamo::Store;
use edge::Cursors;
use flows::Deployment;
use http::Request;
use http_body_util::BodyExt;
use identity::testing::Issuer;
use identity::{Settings, Verifier};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::tally::Tally;

/// How often somebody asks again who got no answer.
const PATIENCE: u32 = 60;

pub(crate) struct Front {
    router: Router,
    tokens: BTreeMap<String, String>,
    chance: Chance,
    lost_answers: Mutex<f64>,
    complaints: Mutex<Vec<String>>,
    tally: Arc<Tally>,
}

/// What a person asks.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) person: &'a str,
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) key: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer)?.as_str()
    }
}

/// What a front is made of.
pub(crate) struct Door<'a> {
    pub(crate) seed: u64,
    pub(crate) clock: VirtualClock,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) deployment: Deployment,
    pub(crate) people: &'a [String],
    pub(crate) lost_answers: f64,
    pub(crate) tally: Arc<Tally>,
}

impl Front {
    pub(crate) fn open(door: Door<'_>) -> Self {
        let Door { seed, clock, store, engine, deployment, people, lost_answers, tally } = door;
        let issuer = Issuer::start();
        let time = Arc::new(move || clock.now());
        let verifier = Verifier::with_clock(Settings::of_issuer(Issuer::ADDRESS), issuer.clone(), time).expect("the settings are sound");
        let key = SigningKey::generate().expect("the machine has randomness");
        let cursors = Cursors::new(&[7; 32]);
        let router = api::router(Api { verifier, store, engine, deployment, signer: Arc::new(Signer::new(key)), cursors });
        let from = clock.epoch().as_second();
        let token = |person: &String| {
            let claims = json!({ "iss": Issuer::ADDRESS, "sub": person, "name": person, "iat": from, "exp": from + 100 * 24 * 3600 });
            (person.clone(), issuer.sign(&claims))
        };
        let (chance, lost_answers) = (Chance::of(seed, "front"), Mutex::new(lost_answers));
        Self { router, tokens: people.iter().map(token).collect(), chance, lost_answers, complaints: Mutex::default(), tally }
    }

    /// From now on every answer arrives.
    pub(crate) fn calm_down(&self) {
        *self.lost_answers.lock().expect("no holder panics") = 0.0;
    }

    pub(crate) fn complain(&self, complaint: String) {
        self.complaints.lock().expect("no holder panics").push(complaint);
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("no holder panics").clone()
    }

    /// Asks until it is answered with something else than 503, with the same key each time. What was answered before, and lost, must be
    /// answered again.
    pub(crate) async fn insist(&self, wish: Wish<'_>) -> Reply {
        let mut lost: Option<Reply> = None;
        for turn in 0..PATIENCE {
            if turn > 0 {
                self.tally.repeated_requests.add(1);
                tokio::time::sleep(self.chance.between(Duration::from_secs(2), Duration::from_secs(30))).await;
            }
            let reply = self.call(wish).await;
            let heard = !self.chance.happens(*self.lost_answers.lock().expect("no holder panics"));
            match (reply.status, heard) {
                (503, _) => {}
                (_, false) => lost = lost.or(Some(reply)),
                (_, true) => {
                    self.compare(wish, lost.as_ref(), &reply);
                    return reply;
                }
            }
        }
        Reply { status: 503, body: Value::Null }
    }

    fn compare(&self, wish: Wish<'_>, lost: Option<&Reply>, reply: &Reply) {
        let Some(lost) = lost.filter(|lost| wish.key.is_some() && lost.status == 202) else { return };
        let same = ["/instance/id", "/operation/id"].iter().all(|pointer| lost.text(pointer) == reply.text(pointer));
        if !same || reply.status != lost.status {
            self.complain(format!("{} {} was answered {lost:?} and, under the same key, {reply:?}", wish.method, wish.path));
        }
    }

    async fn call(&self, wish: Wish<'_>) -> Reply {
        self.tally.requests.add(1);
        let Wish { person, method, path, body, key } = wish;
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.tokens[person]));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("a request of known parts");
        let Ok(answer) = self.router.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status == 500 || (status >= 400 && body.get("type").is_none()) {
            self.complain(format!("{method} {path} was answered {status} {body}"));
        }
        Reply { status, body }
    }
}
