//! The whole of it: an app made through the API, its machine a process, reached through the edge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use fly_sim::processes::{Options as ProcessesOptions, Processes, Program};
use fly_sim::proxy::{Proxy, SimulatorRoutes};
use fly_sim::{MachineState, Options, Simulator};
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

/// A simulator whose machines are processes that do nothing, behind an edge.
struct Stage {
    _folder: tempfile::TempDir,
    simulator: Simulator,
    processes: Processes,
    edge: Edge,
}

impl Stage {
    async fn new() -> Self {
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
        Self { _folder: folder, simulator, processes, edge }
    }

    async fn make_app(&self) {
        let (status, body) = call(&self.simulator, Method::POST, "/v1/apps", json!({"app_name": "sample", "org_slug": "personal"})).await;
        assert_eq!(status, 201, "{body}");
    }

    /// Makes a machine that runs, and gives its path and its identifier.
    async fn make_machine(&self, autostart: bool) -> (String, String) {
        let body = json!({"name": "m", "region": "fra", "config": config(autostart)});
        let (status, machine) = call(&self.simulator, Method::POST, "/v1/apps/sample/machines", body).await;
        assert_eq!(status, 200, "{machine}");
        let id = machine["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/apps/sample/machines/{id}");
        self.reach(&path, "started").await;
        (path, id)
    }

    async fn reach(&self, path: &str, state: &str) {
        let (status, waited) = call(&self.simulator, Method::GET, &format!("{path}/wait?state={state}&timeout=30"), Value::Null).await;
        assert_eq!(status, 200, "{waited}");
    }

    /// Listens where the machine's program is to listen.
    async fn listen(&self, id: &str) -> tokio::task::JoinHandle<()> {
        let port = self.processes.port(id, 8080).unwrap();
        let program = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let router = axum::Router::new().fallback(|| async { "served" });
        tokio::spawn(async move { axum::serve(program, router).await.unwrap() })
    }

    async fn end(self) {
        self.simulator.shutdown().await;
        self.edge.shutdown.cancel();
        self.edge.serving.await.unwrap();
    }
}

fn config(autostart: bool) -> Value {
    let service = json!({
        "protocol": "tcp", "internal_port": 8080, "autostart": autostart, "autostop": "off",
        "ports": [{"port": 443, "handlers": ["tls", "http"]}, {"port": 80, "handlers": ["http"], "force_https": true}],
        "checks": [{"type": "http", "path": "/live", "interval": "1s", "timeout": "5s"}],
    });
    json!({"image": "registry.fly.io/sample:1", "services": [service], "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}})
}

#[tokio::test]
async fn an_app_is_reachable_while_its_machine_is_started_uncordoned_and_healthy() {
    let stage = Stage::new().await;
    let (simulator, edge) = (&stage.simulator, &stage.edge);
    answered(edge, "sample", 404).await;
    stage.make_app().await;
    answered(edge, "sample", 503).await;
    let (path, id) = stage.make_machine(false).await;
    answered(edge, "sample", 503).await;
    let program = stage.listen(&id).await;
    assert!(answered(edge, "sample", 200).await.ends_with("served"));

    call(simulator, Method::POST, &format!("{path}/cordon"), json!({})).await;
    answered(edge, "sample", 503).await;
    call(simulator, Method::POST, &format!("{path}/uncordon"), json!({})).await;
    answered(edge, "sample", 200).await;
    call(simulator, Method::POST, &format!("{path}/stop"), json!({"signal": "SIGTERM", "timeout": "10s"})).await;
    answered(edge, "sample", 503).await;
    program.abort();
    stage.end().await;
}

#[tokio::test]
async fn a_request_wakes_a_stopped_machine_only_with_autostart() {
    let stage = Stage::new().await;
    let (simulator, edge) = (&stage.simulator, &stage.edge);
    stage.make_app().await;
    let (path, id) = stage.make_machine(false).await;
    call(simulator, Method::POST, &format!("{path}/stop"), json!({"timeout": "10s"})).await;
    stage.reach(&path, "stopped").await;
    answered(edge, "sample", 503).await;
    assert_eq!(simulator.machines()[0].state, MachineState::Stopped, "whoever stopped it wants it stopped");

    let (status, updated) = call(simulator, Method::POST, &path, json!({"config": config(true), "skip_launch": true})).await;
    assert_eq!(status, 200, "{updated}");
    stage.reach(&path, "stopped").await;
    let program = async {
        stage.reach(&path, "started").await;
        stage.listen(&id).await.abort_handle()
    };
    // Two requests at once: one of them starts it, both are answered.
    let asked = || edge.ask("GET / HTTP/1.1\r\nHost: sample.localhost\r\n\r\n");
    let (first, second, program) = tokio::join!(asked(), asked(), program);
    assert!(first.ends_with("served") && second.ends_with("served"), "{first}\n{second}");
    let (_, events) = call(simulator, Method::GET, &format!("{path}/events"), Value::Null).await;
    let starts = events.as_array().unwrap().iter().filter(|event| event["type"] == "start" && event["status"] == "starting");
    assert_eq!(starts.count(), 2, "the first boot and this one: {events}");

    call(simulator, Method::POST, &format!("{path}/cordon"), json!({})).await;
    call(simulator, Method::POST, &format!("{path}/stop"), json!({"timeout": "10s"})).await;
    stage.reach(&path, "stopped").await;
    answered(edge, "sample", 503).await;
    assert_eq!(simulator.machines()[0].state, MachineState::Stopped, "a cordoned one is left alone");
    program.abort();
    stage.end().await;
}
