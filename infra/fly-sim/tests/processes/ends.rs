use std::time::{Duration, Instant};

use fly_sim::host::{Exit, Host, HostEvent};
use serde_json::json;

use crate::support::{MACHINE, Rig, boot, eventually, lives};

const LONG: Duration = Duration::from_secs(30);
const TERM: i32 = 15;

fn code(code: i32) -> Exit {
    Exit { code: Some(code), ..Exit::default() }
}

fn signal(signal: i32) -> Exit {
    Exit { signal: Some(signal), ..Exit::default() }
}

/// Reads the ids that a script wrote.
async fn pids(rig: &Rig, name: &str) -> Vec<i32> {
    rig.wait_for_file(name).await.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_reported_with_how_it_ended() {
    let mut rig = Rig::new().await;
    for (script, expected) in [("exit 3", code(3)), ("kill -9 $$", signal(9)), ("true", code(0))] {
        rig.boot(script).await;
        let event = tokio::time::timeout(LONG, rig.events.recv()).await.unwrap();
        match event {
            Some(HostEvent::Exited { machine, instance_id, exit }) => {
                assert_eq!((machine.as_str(), instance_id.as_str()), (MACHINE, "01JD0000000000000000000000"));
                assert_eq!(exit, expected, "{script}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(rig.processes.pid(MACHINE), None);
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_fails_the_boot() {
    let rig = Rig::new().await;
    let nowhere = |_: &str| Some(fly_sim::processes::Program { argv: vec!["/nowhere/at/all".into()], env: Vec::new() });
    let options = fly_sim::processes::Options { root: rig.folder.path().to_owned(), images: std::sync::Arc::new(nowhere) };
    let processes = fly_sim::processes::Processes::open(options).unwrap();
    let refused = processes.boot(boot("", json!({}))).await.unwrap_err();
    assert!(refused.reason.contains("could not be started"), "{}", refused.reason);
    // Nothing is left that a later boot would wait for.
    rig.boot("read line").await;
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_stop_lets_the_program_drain_and_is_no_event() {
    let mut rig = Rig::new().await;
    rig.boot("trap 'echo drained; exit 7' TERM; echo ready > ready; while :; do read line; done").await;
    rig.wait_for_file("ready").await;
    assert_eq!(rig.processes.stop(MACHINE, TERM, LONG).await, code(7));
    assert_eq!(rig.processes.stop(MACHINE, TERM, LONG).await, code(0), "a machine that does not run ended well");
    assert!(rig.events.try_recv().is_err());
    let lines = rig.processes.logs("rp-test-one", None, 0, 10).await;
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["drained"]);
}

#[tokio::test]
async fn whoever_ignores_the_signal_is_killed_with_all_its_children() {
    let rig = Rig::new().await;
    rig.boot("trap '' TERM; (while :; do sleep 1000; done) & echo $$ $! > pids.new; mv pids.new pids; while :; do sleep 1000; done").await;
    let pids = pids(&rig, "pids").await;
    let begun = Instant::now();
    assert_eq!(rig.processes.stop(MACHINE, TERM, Duration::from_millis(200)).await, signal(9));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(pids.len(), 2);
    assert!(!pids.into_iter().any(lives));
}

#[tokio::test]
async fn children_do_not_outlive_the_main_process() {
    let mut rig = Rig::new().await;
    rig.boot("sleep 1000 & echo $! > pids.new; mv pids.new pids; read line").await;
    let child = pids(&rig, "pids").await[0];
    assert!(lives(child));
    rig.processes.signal(MACHINE, 9).await;
    let event = tokio::time::timeout(LONG, rig.events.recv()).await.unwrap();
    assert!(matches!(event, Some(HostEvent::Exited { exit, .. }) if exit == signal(9)));
    assert!(!lives(child));
}

#[tokio::test]
async fn a_second_more_impatient_stop_ends_the_first() {
    let rig = Rig::new().await;
    rig.boot("trap 'echo heard > heard' TERM; echo ready > ready; while :; do read line; done").await;
    rig.wait_for_file("ready").await;
    let patient = tokio::spawn({
        let processes = rig.processes.clone();
        async move { processes.stop(MACHINE, TERM, Duration::from_secs(300)).await }
    });
    rig.wait_for_file("heard").await;
    assert_eq!(rig.processes.stop(MACHINE, 9, Duration::ZERO).await, signal(9));
    assert_eq!(patient.await.unwrap(), signal(9));
}

#[tokio::test]
async fn a_boot_ends_the_version_that_runs_before_it_starts_the_next() {
    let rig = Rig::new().await;
    rig.boot("echo $$ > pids.new; mv pids.new pids; read line").await;
    let first = pids(&rig, "pids").await[0];
    rig.boot("read line").await;
    assert!(!lives(first));
    assert_ne!(rig.processes.pid(MACHINE), Some(first));
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_ends_the_lifeline_and_lets_nothing_boot_any_more() {
    let mut rig = Rig::new().await;
    rig.processes.create_volume("vol_1").await.unwrap();
    let script = "trap '' TERM; echo $$ > pids.new; mv pids.new pids; while read line; do :; done; echo drained > data/drained";
    rig.processes.boot(boot(script, json!({"mounts": [{"volume": "vol_1", "path": "/data"}]}))).await.unwrap();
    let pid = pids(&rig, "pids").await[0];
    rig.processes.shutdown().await;
    assert!(!lives(pid));
    assert!(rig.folder.path().join("volumes/vol_1/drained").exists());
    assert!(rig.processes.boot(boot("read line", json!({}))).await.unwrap_err().reason.contains("shutting down"));
    assert!(rig.events.try_recv().is_err(), "an end that the host caused is no news to it");
}

#[tokio::test]
async fn a_host_that_is_dropped_takes_the_lifelines_with_it() {
    let rig = Rig::new().await;
    rig.boot("echo $$ > pids.new; mv pids.new pids; while read line; do :; done").await;
    let pid = pids(&rig, "pids").await[0];
    drop(rig.processes);
    eventually("the end of the machine", || (!lives(pid)).then_some(())).await;
}
