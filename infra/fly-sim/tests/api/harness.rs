use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use fly_sim::{HostLatencies, Options, Simulator, VirtualHost};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A simulator with its virtual host and a way to call it.
#[derive(Clone)]
pub(crate) struct Fly {
    pub(crate) simulator: Simulator,
    pub(crate) host: Arc<VirtualHost>,
    router: Router,
}

impl Fly {
    pub(crate) async fn new() -> Self {
        Self::with(HostLatencies::default(), |options| options).await
    }

    pub(crate) async fn with(latencies: HostLatencies, adjust: impl FnOnce(Options) -> Options) -> Self {
        let host = Arc::new(VirtualHost::new(latencies));
        let options = adjust(Options { host: host.clone(), seed: Some(1), ..Options::virtual_machines() });
        let simulator = Simulator::open(options).await.unwrap();
        Self { router: simulator.router(), simulator, host }
    }

    /// Sends a request and gives the status and the body: JSON, else a text, else null.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.send(method, path, &[], body).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("an answer that was not lost").to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) })
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, Value::Null).await
    }

    pub(crate) async fn app(&self, name: &str) {
        let (status, answer) = self.post("/v1/apps", json!({ "app_name": name, "org_slug": "personal", "network": name })).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Creates a machine in app `a` and gives its identifier. It is still `created`.
    pub(crate) async fn create(&self, body: Value) -> String {
        let (status, answer) = self.post("/v1/apps/a/machines", body).await;
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// App `a` with one machine `m` that is started.
    pub(crate) async fn started(&self, config: Value) -> String {
        if self.get("/v1/apps/a").await.0 == 404 {
            self.app("a").await;
        }
        let id = self.create(json!({ "name": "m", "config": config })).await;
        self.reach(&id, "started").await;
        id
    }

    pub(crate) async fn reach(&self, id: &str, state: &str) {
        let (status, answer) = self.get(&format!("/v1/apps/a/machines/{id}/wait?state={state}&timeout=60")).await;
        assert_eq!((status, &answer["state"]), (200, &json!(state)), "{answer}");
    }

    pub(crate) async fn state(&self, id: &str) -> String {
        let (status, answer) = self.get(&machine(id, "")).await;
        assert_eq!(status, 200, "{answer}");
        answer["state"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn volume(&self, name: &str) -> String {
        let (status, answer) = self.post("/v1/apps/a/volumes", json!({ "name": name, "region": "fra", "size_gb": 1 })).await;
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }
}

/// The path of a machine of app `a`.
pub(crate) fn machine(id: &str, rest: &str) -> String {
    format!("/v1/apps/a/machines/{id}{rest}")
}

pub(crate) fn image() -> Value {
    json!({ "image": "registry.fly.io/tenant:1" })
}

/// The text of a flaps error.
pub(crate) fn text(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_default()
}
