use std::time::Duration;

use fly_sim::host::{Exit, Host, HostEvent};
use serde_json::json;

use crate::support::{MACHINE, Rig, boot, eventually, lives};

/// Counts in a child of its group and in one that has left it, both deaf to being asked to end.
const COUNTS: &str = "trap '' TERM; count='i=0; while :; do i=$((i+1)); echo $i > $0.new; mv $0.new $0; sleep 0.01; done'; \
    setsid sh -c \"$count\" far & echo $$ $! > pids.new; mv pids.new pids; sh -c \"$count\" near";

fn stands_still(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('T'))
}

fn counted(rig: &Rig, name: &str) -> Option<u64> {
    std::fs::read_to_string(rig.root().join(name)).ok()?.trim().parse().ok()
}

/// The two processes of this boot; those of the next are not mistaken for them.
async fn pids(rig: &Rig) -> Vec<i32> {
    let pids = rig.wait_for_file("pids").await.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    std::fs::remove_file(rig.root().join("pids")).unwrap();
    pids
}

#[tokio::test]
async fn a_suspended_machine_stands_still_and_runs_on_with_all_that_it_had() {
    let rig = Rig::new().await;
    rig.boot(COUNTS).await;
    let pids = pids(&rig).await;
    std::fs::write(rig.root().join("kept"), "kept").unwrap();
    eventually("counting", || counted(&rig, "far").zip(counted(&rig, "near"))).await;
    assert!(rig.processes.suspend(MACHINE).await);
    assert!(rig.processes.is_frozen(MACHINE));
    assert_eq!(pids.iter().map(|pid| stands_still(*pid)).collect::<Vec<_>>(), [true, true]);
    let before = (counted(&rig, "far"), counted(&rig, "near"));
    assert!(rig.processes.resume(MACHINE).await);
    assert!(!rig.processes.is_frozen(MACHINE));
    eventually("counting on", || (counted(&rig, "far") > before.0 && counted(&rig, "near") > before.1).then_some(())).await;
    assert_eq!(rig.processes.pid(MACHINE), Some(pids[0]), "it was not booted anew");
    assert_eq!(std::fs::read_to_string(rig.root().join("kept")).unwrap(), "kept");
    assert!(!rig.processes.resume(MACHINE).await, "what is not frozen cannot run on");
    rig.processes.stop(MACHINE, 9, Duration::ZERO).await;
}

#[tokio::test]
async fn what_is_frozen_is_killed_at_once_and_a_boot_drops_it() {
    let mut rig = Rig::new().await;
    rig.boot(COUNTS).await;
    let frozen = pids(&rig).await;
    assert!(rig.processes.suspend(MACHINE).await);
    let patience = Duration::from_secs(3600);
    assert_eq!(rig.processes.stop(MACHINE, 15, patience).await, Exit { signal: Some(9), ..Exit::default() });
    assert!(!frozen.into_iter().any(lives));
    assert!(!rig.processes.resume(MACHINE).await && !rig.processes.suspend(MACHINE).await, "there is nothing");

    rig.boot(COUNTS).await;
    let frozen = pids(&rig).await;
    assert!(rig.processes.suspend(MACHINE).await);
    rig.boot("read line").await;
    assert!(!frozen.into_iter().any(lives) && !rig.processes.is_frozen(MACHINE));

    assert!(rig.processes.suspend(MACHINE).await);
    rig.processes.shutdown().await;
    assert_eq!(rig.processes.pid(MACHINE), None, "a host that ends takes what is frozen along");
    assert!(rig.events.try_recv().is_err(), "none of these ends is news");
}

#[tokio::test]
async fn the_checks_of_a_machine_begin_anew_when_it_runs_on() {
    let mut rig = Rig::new().await;
    let check =
        json!({ "checks": { "up": { "type": "tcp", "port": 8080, "interval": "100ms" } }, "services": [{ "internal_port": 8080 }] });
    rig.processes.boot(boot("read line", check)).await.unwrap();
    let port = rig.processes.port(MACHINE, 8080).unwrap();
    let _program = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    until_said(&mut rig, "passing").await;
    assert!(rig.processes.suspend(MACHINE).await);
    assert!(rig.processes.resume(MACHINE).await);
    until_said(&mut rig, "passing").await;
    rig.processes.shutdown().await;
}

async fn until_said(rig: &mut Rig, wanted: &str) {
    let said = async {
        loop {
            match rig.events.recv().await {
                Some(HostEvent::Check { status, .. }) if status == wanted => return,
                Some(_) => {}
                None => panic!("the host went away"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), said).await.unwrap();
}
