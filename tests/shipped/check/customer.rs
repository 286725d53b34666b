//! Somebody who uses the API.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use shipped::Platform;

/// How long an operation of the stand-in may take on a busy machine, a dead worker's lease included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) struct Customer<'p> {
    platform: &'p Platform,
    http: Client,
}

impl<'p> Customer<'p> {
    pub(crate) fn new(platform: &'p Platform) -> Self {
        Self { platform, http: shell::http_client().unwrap() }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.platform.address)).bearer_auth(&self.platform.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    /// The status and, if it is one, the last part of a problem's type.
    pub(crate) async fn status(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get(path).await;
        let problem = body["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default();
        (status.as_u16(), problem.to_owned())
    }

    /// Something that is accepted. A function that was killed meanwhile answers 500 or 503; then it is asked again, under the same key.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>, key: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.platform.address));
            request = request.bearer_auth(&self.platform.token).header("idempotency-key", key);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            if status.is_success() {
                return serde_json::from_str(&text).unwrap_or(Value::Null);
            }
            assert!(status.is_server_error() && Instant::now() < deadline, "{path} was answered {status}: {text}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) async fn create(&self, name: &str) -> Value {
        let body = json!({ "name": name, "plan": "team", "region": "fra" });
        self.ask(Method::POST, "/v1/instances", Some(body), name).await
    }

    /// Asks for an instance once, as part of a trace of the caller's.
    pub(crate) async fn create_in_trace(&self, name: &str, traceparent: &str) -> Value {
        let request = self.http.post(format!("{}/v1/instances", self.platform.address)).bearer_auth(&self.platform.token);
        let body = json!({ "name": name, "plan": "team", "region": "fra" });
        let answer = request.header("traceparent", traceparent).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json().await.unwrap()
    }

    pub(crate) async fn ended(&self, operation: &str) -> Value {
        self.until(&format!("/v1/operations/{operation}"), |operation| !operation["ended_at"].is_null()).await
    }

    pub(crate) async fn settled(&self, instance: &str, state: &str) -> Value {
        let settled = |instance: &Value| instance["state"] == state && instance["operation"].is_null();
        self.until(&format!("/v1/instances/{instance}"), settled).await
    }

    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, seen) = self.get(path).await;
            if status.is_success() && done(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{path} is still {status}: {seen}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until something is true of the platform.
    pub(crate) async fn eventually(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{what}, after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
