//! Requests that nobody's client would send, through a small router that uses every extractor.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bodies;
mod cursors;
mod problems;
mod requests;

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::FromRef;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::InstanceId;
use edge::{Authorised, IdempotencyKey, InstancesRead, JsonBody, Object, Path, Problem, Query};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use identity::Verifier;
use identity::testing::Issuer;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[derive(Clone, FromRef)]
struct State {
    verifier: Verifier,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    size: Option<u32>,
    choice: Option<Object<Choice>>,
    #[serde(default)]
    tags: Vec<Object<Tag>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    family: String,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    key: String,
}

struct Wish(Wire);

impl edge::Request for Wish {
    type Wire = Wire;

    fn parse(wire: Wire) -> Result<Self, Problem> {
        Ok(Self(wire))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Answers with what it understood.
async fn wish(JsonBody { request: Wish(wire), .. }: JsonBody<Wish>) -> Json<Value> {
    let choice = wire.choice.map(|Object(choice)| json!({ "family": choice.family, "version": choice.version }));
    let tags: Vec<_> = wire.tags.into_iter().map(|Object(tag)| json!({ "key": tag.key })).collect();
    Json(json!({ "name": wire.name, "size": wire.size, "choice": choice, "tags": tags }))
}

async fn item(Path(id): Path<InstanceId>, Query(paging): Query<Paging>) -> Json<Value> {
    Json(json!({ "id": id, "limit": paging.limit, "cursor": paging.cursor }))
}

async fn whoami(caller: Authorised<InstancesRead>) -> Json<Value> {
    Json(json!(caller.caller.subject))
}

async fn key(key: Option<IdempotencyKey>) -> Json<Value> {
    Json(json!(key.map(|key| (key.as_str().to_owned(), key.digest(None)))))
}

static APP: LazyLock<Router> = LazyLock::new(|| {
    let router = Router::new()
        .route("/wish", post(wish))
        .route("/items/{id}", get(item))
        .route("/whoami", get(whoami))
        .route("/key", post(key))
        .with_state(State { verifier: Issuer::start().verifier() });
    edge::dress(router)
});

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Fails unless it is a success, or a whole problem document that blames the caller and is no longer than what a caller needs.
    fn check(&self) -> &Self {
        let text = String::from_utf8_lossy(&self.body);
        if self.status.is_success() {
            return self;
        }
        assert!(self.status.is_client_error(), "{} {text}", self.status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{} {text}", self.status);
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(json["type"].as_str().is_some_and(|kind| kind.starts_with("https://rockpool.dev/problems/")), "{text}");
        assert!(["title", "detail"].into_iter().all(|member| json[member].as_str().is_some_and(|text| !text.is_empty())), "{text}");
        assert_eq!(json["request_id"].as_str().unwrap().as_bytes(), self.headers["x-request-id"].as_bytes());
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(self.body.len() < 8192, "an answer of {} bytes", self.body.len());
        self
    }
}

async fn send(request: Request<Body>) -> Answer {
    let (parts, body) = APP.clone().oneshot(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
}

/// The answer to a request with these headers, as far as HTTP can carry them; otherwise none.
fn ask(method: &str, target: &str, headers: &[(&str, Vec<u8>)], body: impl Into<Body>) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(target).body(body.into()).ok()?;
    for (name, value) in headers {
        request.headers_mut().append(http::HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(send(request)))
}
