use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use fly_sim::host::{Host, HostEvent};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{MACHINE, Rig, boot};

/// Serves a status on a machine's port, in the place of the machine's own program.
async fn serve(port: u16, status: Arc<AtomicU16>) -> tokio::task::JoinHandle<()> {
    let answer = |State(status): State<Arc<AtomicU16>>, headers: HeaderMap| async move {
        assert_eq!(headers["x-probe"], "1");
        (StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap(), "as told")
    };
    let router = Router::new().route("/live", get(answer)).with_state(status);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn next(rig: &mut Rig) -> (String, String, String) {
    match tokio::time::timeout(Duration::from_secs(30), rig.events.recv()).await.expect("an event in time").unwrap() {
        HostEvent::Check { machine, name, status, output } => {
            assert_eq!(machine, MACHINE);
            (name, status, output)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_services_check_is_reported_when_its_verdict_changes() {
    let mut rig = Rig::new().await;
    let check = json!({
        "type": "http", "path": "/live", "interval": "100ms", "timeout": "5s",
        "headers": [{"name": "X-Probe", "values": ["1"]}],
    });
    rig.processes.boot(boot("read line", json!({"services": [{"internal_port": 8080, "checks": [check]}]}))).await.unwrap();
    let name = || "servicecheck-00-http-8080".to_owned();
    assert_eq!(next(&mut rig).await, (name(), "warning".to_owned(), "waiting for status update".to_owned()));
    let (_, status, output) = next(&mut rig).await;
    assert_eq!(status, "critical");
    assert!(output.contains("refused"), "{output}");

    let told = Arc::new(AtomicU16::new(204));
    let server = serve(rig.processes.port(MACHINE, 8080).unwrap(), Arc::clone(&told)).await;
    assert_eq!(next(&mut rig).await.1, "passing");
    told.store(503, Ordering::SeqCst);
    let (_, status, output) = next(&mut rig).await;
    assert_eq!(status, "critical");
    assert!(output.contains("503") && output.contains("as told"), "{output}");
    told.store(200, Ordering::SeqCst);
    assert_eq!(next(&mut rig).await.1, "passing");
    server.abort();
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_machine_in_its_grace_period_is_not_called_sick_but_may_be_called_well() {
    let mut rig = Rig::new().await;
    // Nanoseconds, as the documentation has it, and a Go duration.
    let check = json!({"type": "tcp", "port": 9091, "interval": 50_000_000, "grace_period": "1h"});
    let config = json!({"metrics": {"port": 9091, "path": "/metrics"}, "checks": {"metrics": check}});
    rig.processes.boot(boot("read line", config)).await.unwrap();
    assert_eq!(next(&mut rig).await.1, "warning");
    let listener = TcpListener::bind(("127.0.0.1", rig.processes.metrics_port(MACHINE).unwrap())).await.unwrap();
    let (name, status, _) = next(&mut rig).await;
    assert_eq!((name.as_str(), status.as_str()), ("metrics", "passing"));
    drop(listener);
    assert_eq!(next(&mut rig).await.1, "critical");
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_check_that_this_host_cannot_run_fails_and_says_so() {
    let mut rig = Rig::new().await;
    let checks = json!({"a": {"type": "http", "port": 8080, "protocol": "https"}, "b": {"type": "tcp", "port": 1}});
    rig.processes.boot(boot("read line", json!({"services": [{"internal_port": 8080}], "checks": checks}))).await.unwrap();
    let mut outputs = Vec::new();
    while outputs.len() < 2 {
        let (name, status, output) = next(&mut rig).await;
        if status == "critical" {
            outputs.push((name, output));
        }
    }
    outputs.sort();
    assert!(outputs[0].1.contains("https") && outputs[1].1.contains("no internal port"), "{outputs:?}");
    rig.processes.shutdown().await;
}
