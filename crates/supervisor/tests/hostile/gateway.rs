//! A gateway that writes down every request that reaches it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::get;
use tokio::net::TcpListener;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    /// Everything of it as text.
    pub(crate) fn text(&self) -> String {
        format!("{} {} {:?} {}", self.method, self.target, self.headers, String::from_utf8_lossy(&self.body))
    }
}

#[derive(Clone, Default)]
pub(crate) struct Gateway(Arc<Mutex<Vec<Seen>>>);

impl Gateway {
    /// Serves a machine's gateway port until the test ends.
    pub(crate) async fn serve(port: u16) -> Self {
        let gateway = Self::default();
        let routes = Router::new()
            .route("/readyz", get(async || axum::Json(serde_json::json!({ "ready": true }))))
            .fallback(note)
            .with_state(gateway.clone());
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        gateway
    }

    /// Takes what was seen since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn note(State(gateway): State<Gateway>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> String {
    let target = uri.to_string();
    gateway.0.lock().unwrap().push(Seen { method, target: target.clone(), headers, body });
    format!("saw {target}")
}
