//! A collector of traces, as OpenTelemetry's takes them: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;

/// The header that it wants, and its value, which is as secret as any key.
const HEADER: &str = "x-collector-key";
const KEY: &str = "the-collectors-own-key";

pub(crate) struct Collector {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
}

/// A span that was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) parent: String,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let kept = told.clone();
        let take = async move |headers: HeaderMap, Json(document): Json<Value>| {
            if headers.get(HEADER).is_none_or(|key| key != KEY) {
                return StatusCode::UNAUTHORIZED;
            }
            kept.lock().unwrap().extend(spans(&document));
            StatusCode::OK
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = axum::serve(listener, Router::new().route("/v1/traces", post(take)));
        tokio::spawn(async move { served.await.unwrap() });
        Self { address, told }
    }

    /// What a deployment that tells it is given, and the secret in it.
    pub(crate) fn parameters(&self) -> (Vec<(&'static str, String)>, String) {
        let parameters = vec![("TraceAddress", self.address.clone()), ("TraceHeaders", format!("{HEADER}={KEY}"))];
        (parameters, KEY.to_owned())
    }

    /// What was told of a trace.
    pub(crate) fn told(&self, trace: &str) -> Vec<Told> {
        self.told.lock().unwrap().iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

fn spans(document: &Value) -> Vec<Told> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut told = Vec::new();
    for resource in document["resourceSpans"].as_array().unwrap() {
        let attributes = resource["resource"]["attributes"].as_array().unwrap();
        let service = &attributes.iter().find(|attribute| attribute["key"] == "service.name").unwrap()["value"]["stringValue"];
        let scopes = resource["scopeSpans"].as_array().unwrap();
        for span in scopes.iter().flat_map(|scope| scope["spans"].as_array().unwrap()) {
            told.push(Told { service: text(service), trace: text(&span["traceId"]), parent: text(&span["parentSpanId"]) });
        }
    }
    told
}
