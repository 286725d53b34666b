//! Requests through a small router that uses every extractor.

mod bodies;
mod callers;
mod layers;
mod problems;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRef;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::InstanceId;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use identity::Verifier;
use identity::testing::Issuer;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Authorised, IdempotencyKey, InstancesRead, JsonBody, Path, Permission, Problem, Query, RequestId};

#[derive(Clone, FromRef)]
struct State {
    verifier: Verifier,
}

/// A permission that no organisation can give.
enum StaffOnly {}

impl Permission for StaffOnly {
    const NAME: &'static str = "fleet:repair";
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    size: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    #[serde(rename = "key")]
    _key: String,
}

struct Wish(Wire);

impl crate::Request for Wish {
    type Wire = Wire;

    fn parse(wire: Wire) -> Result<Self, Problem> {
        wire.name.parse::<domain::InstanceName>().map_err(Problem::name_invalid)?;
        Ok(Self(wire))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paging {
    limit: Option<u32>,
}

async fn whoami(caller: Authorised<InstancesRead>) -> Json<Value> {
    Json(json!({ "subject": caller.caller.subject, "organisation": caller.organisation() }))
}

async fn wish(JsonBody { request: Wish(wire), digest }: JsonBody<Wish>) -> Json<Value> {
    Json(json!({ "name": wire.name, "size": wire.size, "tags": wire.tags.len(), "digest": digest[..4] }))
}

async fn maybe(body: Option<JsonBody<Wish>>) -> Json<Value> {
    Json(json!(body.map(|body| body.request.0.name)))
}

async fn key(key: Option<IdempotencyKey>) -> Json<Value> {
    Json(json!(key.map(|key| (key.as_str().to_owned(), key.digest(None), key.digest(Some([1; 32]))))))
}

async fn item(Path(id): Path<InstanceId>, Query(paging): Query<Paging>) -> Json<Value> {
    Json(json!({ "id": id, "limit": paging.limit }))
}

fn app(issuer: &Arc<Issuer>) -> Router {
    let router = Router::new()
        .route("/whoami", get(whoami))
        .route("/staff", get(async |_: Authorised<StaffOnly>| "in"))
        .route("/wish", post(wish))
        .route("/maybe", post(maybe))
        .route("/key", post(key).put(key))
        .route("/key/{id}", post(key))
        .route("/items/{id}", get(item).delete(item))
        .route("/panic", get(async || -> &'static str { panic!("secret of the house") }))
        .route("/internal", get(async || Problem::internal(std::io::Error::other("secret of the house"))))
        .route("/id", get(async |axum::Extension(id): axum::Extension<RequestId>| id.to_string()))
        .route("/cached", get(async || ([("cache-control", "max-age=60")], "text")))
        .with_state(State { verifier: issuer.verifier() });
    crate::dress(router)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The last part of the problem's type, after checking that it is a whole problem document.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert_eq!(json["request_id"], self.header("x-request-id"));
        assert!(json["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(json["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        json["type"].as_str().unwrap().strip_prefix("https://rockpool.dev/problems/").unwrap().to_owned()
    }
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path);
    headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(body.into()).unwrap()
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    send(app(&Issuer::start()), request(method, path, headers, body)).await
}
