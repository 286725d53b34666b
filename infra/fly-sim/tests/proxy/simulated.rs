//! The whole of it: an app made through the API, its machine a process, reached through the edge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use fly_sim::processes::{Options as ProcessesOptions, Processes, Program};
use fly_sim::proxy::{Proxy, SimulatorRoutes};
use fly_sim::{Options, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{Edge, LONG};

async fn call(simulator: &Simulator, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let response = simulator.router().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Asks the edge until it answers with this status.
async fn answered(edge: &Edge, app: &str, status: u16) -> String {
    let deadline = Instant::now() + LONG;
    loop {
        let answer = edge.ask(&format!("GET / HTTP/1.1\r\nHost: {app}.localhost\r\n\r\n")).await;
        if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return answer;
        }
        assert!(Instant::now() < deadline, "instead of {status}: {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_app_is_reachable_while_its_machine_is_started_uncordoned_and_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let images = |image: &str| {
        let waits = Program { argv: ["sh", "-c", "read line"].map(Into::into).to_vec(), env: Vec::new() };
        (image == "registry.fly.io/sample:1").then_some(waits)
    };
    let processes = Processes::open(ProcessesOptions { root: folder.path().to_owned(), images: Arc::new(images) }).unwrap();
    let simulator = Simulator::open(Options::new(Arc::new(processes.clone()))).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let routes = Arc::new(SimulatorRoutes::new(simulator.clone(), processes.clone()));
    let serving = tokio::spawn(Proxy::serve(listener, routes, shutdown.clone()));
    let edge = Edge { address, table: Arc::default(), shutdown, serving };

    answered(&edge, "sample", 404).await;
    let (status, body) = call(&simulator, Method::POST, "/v1/apps", json!({"app_name": "sample", "org_slug": "personal"})).await;
    assert_eq!(status, 201, "{body}");
    answered(&edge, "sample", 503).await;
    let service = json!({
        "protocol": "tcp", "internal_port": 8080, "autostart": false, "autostop": "off",
        "ports": [{"port": 443, "handlers": ["tls", "http"]}, {"port": 80, "handlers": ["http"], "force_https": true}],
        "checks": [{"type": "http", "path": "/live", "interval": "1s", "timeout": "5s"}],
    });
    let config =
        json!({"image": "registry.fly.io/sample:1", "services": [service], "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}});
    let (status, machine) =
        call(&simulator, Method::POST, "/v1/apps/sample/machines", json!({"name": "m", "region": "fra", "config": config})).await;
    assert_eq!(status, 200, "{machine}");
    let path = format!("/v1/apps/sample/machines/{}", machine["id"].as_str().unwrap());
    let (status, waited) = call(&simulator, Method::GET, &format!("{path}/wait?state=started&timeout=30"), Value::Null).await;
    assert_eq!(status, 200, "{waited}");
    answered(&edge, "sample", 503).await;

    // The machine's program begins to listen: the test does it in its place.
    let port = processes.port(machine["id"].as_str().unwrap(), 8080).unwrap();
    let program = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let router = axum::Router::new().fallback(|| async { "served" });
    let program = tokio::spawn(async move { axum::serve(program, router).await.unwrap() });
    assert!(answered(&edge, "sample", 200).await.ends_with("served"));

    call(&simulator, Method::POST, &format!("{path}/cordon"), json!({})).await;
    answered(&edge, "sample", 503).await;
    call(&simulator, Method::POST, &format!("{path}/uncordon"), json!({})).await;
    answered(&edge, "sample", 200).await;
    call(&simulator, Method::POST, &format!("{path}/stop"), json!({"signal": "SIGTERM", "timeout": "10s"})).await;
    answered(&edge, "sample", 503).await;
    program.abort();
    simulator.shutdown().await;
    edge.shutdown.cancel();
    edge.serving.await.unwrap();
}
