//! Never two gateways on one volume.

use gateway::Family;
use nix::sys::signal::Signal;

use crate::support::{Plan, free_port, runs};

/// Another supervisor on the same folder, with a port of its own.
fn beside(plan: &Plan) -> Plan {
    Plan { root: plan.root.clone(), gateway_port: free_port(), ..Plan::stand_in(Family::Openclaw) }
}

#[tokio::test]
async fn a_second_supervisor_waits_for_the_volume_and_says_so() {
    let plan = Plan::stand_in(Family::Openclaw);
    let mut first = plan.boot();
    first.ready().await;
    let gateway = first.noted_gateway().unwrap();
    let second = beside(&plan).boot();
    let health = second
        .health_when("it waits", |health| health["gateway"]["phase"] == "waiting_for_volume" && !health["gateway"]["trouble"].is_null())
        .await;
    assert_eq!(health["gateway"]["starts"], 0);
    assert!(health["gateway"]["trouble"].as_str().unwrap().contains("holds the volume"));
    assert!(runs(gateway), "the other's gateway is left alone while the other lives");

    first.send(Signal::SIGTERM);
    assert_eq!(first.wait_for_end().code(), Some(0));
    assert_eq!(second.ready().await["gateway"]["starts"], 1);
    assert!(!runs(gateway));
}

#[tokio::test]
async fn the_gateway_of_a_killed_supervisor_is_ended_before_another_is_started() {
    let plan = Plan::stand_in(Family::Openclaw);
    let mut first = plan.boot();
    first.ready().await;
    let orphan = first.noted_gateway().unwrap();
    first.kill_supervisor_only();
    assert!(runs(orphan), "the gateway outlives its supervisor");

    let second = plan.boot();
    second.ready().await;
    assert!(!runs(orphan), "two gateways ran on one volume");
    assert_ne!(second.noted_gateway(), Some(orphan));
    assert!(second.log.find("ending the gateway of a supervisor that is gone").is_some());
}
