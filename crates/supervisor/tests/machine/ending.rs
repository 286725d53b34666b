//! How the supervisor ends, and the gateway with it.

use std::time::{Duration, Instant};

use gateway::Family;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::support::call::{bearer, hear, websocket};
use crate::support::{Plan, eventually, runs};

fn draining(milliseconds: &str) -> Plan {
    Plan { environment: vec![("STAND_IN_DRAIN_MS".into(), milliseconds.into())], ..Plan::stand_in(Family::Openclaw) }
}

#[tokio::test]
async fn sigterm_stops_new_callers_lets_the_gateway_drain_and_ends_with_zero() {
    let mut machine = draining("1500").boot();
    machine.ready().await;
    let gateway = machine.noted_gateway().unwrap();
    let token = bearer(&machine.token(60));
    let (mut socket, _) = websocket(machine.address, &[("authorization", &token)]).await.unwrap();
    let asked = Instant::now();
    machine.send(Signal::SIGTERM);
    machine.log.wait_for("asked to end");
    let address = machine.address;
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), refused).await.expect("new callers are turned away while the gateway drains");
    assert!(runs(gateway), "the gateway drains");
    machine.send(Signal::SIGTERM);
    assert_eq!(machine.wait_for_end().code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_millis(1500), "the gateway was not waited for");
    assert!(!runs(gateway));
    while hear(&mut socket).await.is_some() {}
    assert!(machine.log.find("did not drain").is_none());
}

#[tokio::test]
async fn the_end_of_the_lifeline_drains_and_ends() {
    let mut machine = Plan { lifeline: true, ..draining("300") }.boot();
    machine.ready().await;
    let gateway = machine.noted_gateway().unwrap();
    assert!(runs(gateway));
    machine.drop_lifeline();
    assert_eq!(machine.wait_for_end().code(), Some(0));
    assert!(!runs(gateway));
    assert!(machine.log.find("the host is gone").is_some());
}

#[tokio::test]
async fn a_supervisor_without_a_gateway_ends_at_once() {
    for plan in [Plan::new(Family::Openclaw, &["/no/such/program"]), Plan { config: None, ..Plan::idle(Family::Openclaw) }] {
        let mut machine = plan.boot();
        machine
            .health_when("there is no process", |health| ["backing_off", "refused"].contains(&health["gateway"]["phase"].as_str().unwrap()))
            .await;
        machine.send(Signal::SIGTERM);
        assert_eq!(machine.wait_for_end().code(), Some(0));
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_heed_sigterm_is_killed_with_its_group() {
    let script = "trap '' TERM; sleep 3600 & echo $! > \"$HOME/tool\"; while :; do sleep 1; done";
    let plan = Plan::new(Family::Clawdbot, &["/bin/sh", "-c", script]);
    let mut machine = plan.boot();
    let tool = eventually("its tool runs", || std::fs::read_to_string(plan.place("/data/home/tool")).ok()?.trim().parse::<i32>().ok());
    let gateway = eventually("it is noted", || machine.noted_gateway());
    machine.send(Signal::SIGTERM);
    assert_eq!(machine.wait_for_end().code(), Some(0));
    assert!(machine.log.find("did not end in time").is_some());
    assert!(!runs(gateway) && !runs(tool));
}
