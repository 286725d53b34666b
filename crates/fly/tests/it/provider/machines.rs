//! What the flows' port for machines does about single answers.

use std::time::Duration;

use flows::ports::{MachineState, Machines, Placed, Volumes};
use serde_json::json;

use super::{APP, MACHINE, error, fatal, machine, machine_spec, not_yet, provider, retry, volume_spec};
use crate::scripted::{Line, Scripted, json as reply};

#[tokio::test]
async fn whatever_refuses_a_machine_an_earlier_attempts_machine_is_found() {
    let taken = format!("already_exists: unique machine name violation, machine ID {MACHINE} already exists with name \"gateway-1\"");
    for script in [
        vec![error(409, &taken), reply(200, machine("starting"))],
        vec![error(409, "unique machine name violation"), reply(200, json!([machine("starting")]))],
        vec![error(412, "volume already claimed by machine"), reply(200, json!([machine("created")]))],
        vec![
            error(412, "insufficient resources to create new machine with existing volume id 'vol_1'"),
            reply(200, json!([machine("started")])),
        ],
    ] {
        let fly = Scripted::new(script).await;
        assert_eq!(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await.unwrap(), Placed::At(MACHINE.to_owned()));
        fly.finished();
    }
}

#[tokio::test]
async fn a_full_region_and_a_full_host_are_answers_and_no_setbacks() {
    for refusal in [
        reply(422, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" })),
        error(409, "aborted: could not reserve resource for machine: insufficient memory available to fulfill request"),
        reply(
            412,
            json!({ "error": "insufficient resources to create new machine with existing volume id 'vol_1'", "status": "volume_placement_capacity" }),
        ),
    ] {
        let fly = Scripted::new([refusal.clone(), reply(200, json!([])), reply(200, json!([])), refusal]).await;
        let provider = provider(&fly);
        assert_eq!(provider.ensure_machine(&machine_spec(APP, "vol_1")).await.unwrap(), Placed::Full);
        assert_eq!(provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap(), Placed::Full);
        fly.finished();
    }
}

#[tokio::test]
async fn a_machine_of_the_name_that_is_another_instances_is_left_alone() {
    let mut foreign = machine("started");
    foreign["config"]["metadata"]["rockpool_instance"] = json!("ins_2");
    let fly = Scripted::new([error(409, "unique machine name violation"), reply(200, json!([foreign]))]).await;
    assert!(fatal(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await).contains("is not this instance's"));
    fly.finished();
}

#[tokio::test]
async fn a_machine_that_appeared_late_for_a_place_that_was_given_up_is_removed() {
    let mut elsewhere = machine("started");
    elsewhere["region"] = json!("ams");
    let mut other_volume = machine("started");
    other_volume["config"]["mounts"][0]["volume"] = json!("vol_0");
    for leftover in [elsewhere, other_volume] {
        let fly =
            Scripted::new([error(409, "unique machine name violation"), reply(200, json!([leftover])), reply(200, json!({ "ok": true }))])
                .await;
        not_yet(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await);
        assert_eq!(fly.finished().last().unwrap(), &format!("DELETE /v1/apps/{APP}/machines/{MACHINE}?force=true"));
    }
}

#[tokio::test]
async fn start_and_stop_look_first() {
    let fly = Scripted::new([
        reply(200, machine("started")),
        reply(200, machine("stopped")),
        reply(200, machine("stopped")),
        reply(200, json!({})),
        reply(200, machine("started")),
        reply(200, json!({ "ok": true })),
    ])
    .await;
    let provider = provider(&fly);
    provider.start(APP, MACHINE).await.unwrap();
    provider.stop(APP, MACHINE).await.unwrap();
    provider.start(APP, MACHINE).await.unwrap();
    provider.stop(APP, MACHINE).await.unwrap();
    let posts: Vec<_> = fly.finished().into_iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(posts, [format!("POST /v1/apps/{APP}/machines/{MACHINE}/start"), format!("POST /v1/apps/{APP}/machines/{MACHINE}/stop")]);
}

#[tokio::test]
async fn a_start_too_early_is_not_yet_and_a_start_of_nothing_is_the_end() {
    let fly = Scripted::new([
        reply(200, machine("stopping")),
        error(412, "failed_precondition: unable to start machine from current state: 'stopping'"),
    ])
    .await;
    not_yet(provider(&fly).start(APP, MACHINE).await);
    let fly = Scripted::new([reply(200, machine("destroyed"))]).await;
    assert!(fatal(provider(&fly).start(APP, MACHINE).await).contains("is gone"));
}

#[tokio::test]
async fn a_machine_on_record_that_is_not_found_is_looked_for_again() {
    let two = Some(Duration::from_secs(2));
    let not_found = || error(404, "machine not found");
    let fly = Scripted::new([not_found(), not_found(), not_found(), reply(200, machine("started")), not_found()]).await;
    let provider = provider(&fly);
    assert_eq!(retry(provider.start(APP, MACHINE).await), two);
    assert_eq!(retry(provider.restart(APP, MACHINE).await), two);
    assert_eq!(retry(provider.stop(APP, MACHINE).await), two);
    assert_eq!(retry(provider.stop(APP, MACHINE).await), two, "it was seen, so that a 404 says nothing about it");
    fly.finished();
}

#[tokio::test]
async fn a_restart_whose_answer_was_lost_is_not_repeated_once_it_has_begun() {
    let with_event = |state: &str, id: &str| {
        let mut machine = machine(state);
        machine["events"] = json!([{ "id": id, "type": "start", "timestamp": 1 }]);
        reply(200, machine)
    };
    for after in [with_event("restarting", "1"), with_event("started", "2")] {
        let fly = Scripted::new([with_event("started", "1"), Line::Hang, after]).await;
        provider(&fly).restart(APP, MACHINE).await.unwrap();
        fly.finished();
    }
    let fly = Scripted::new([with_event("started", "1"), Line::Hang, with_event("started", "1")]).await;
    retry(provider(&fly).restart(APP, MACHINE).await);
    let fly = Scripted::new([with_event("restarting", "1")]).await;
    provider(&fly).restart(APP, MACHINE).await.unwrap();
}

#[tokio::test]
async fn a_wait_says_whether_it_can_still_come_true() {
    let ran_out = || error(408, "deadline_exceeded: machine failed to reach desired state, started, currently created");
    let seen = async |state: &str, wanted| {
        let fly = Scripted::new([ran_out(), reply(200, machine(state))]).await;
        provider(&fly).await_state(APP, MACHINE, wanted).await
    };
    not_yet(seen("created", MachineState::Started).await);
    seen("started", MachineState::Started).await.unwrap();
    assert!(fatal(seen("launch_failed", MachineState::Started).await).contains("could not boot"));
    assert!(fatal(seen("destroyed", MachineState::Started).await).contains("is gone"));
    not_yet(seen("stopping", MachineState::Stopped).await);
    seen("failed", MachineState::Stopped).await.unwrap();
    let fly = Scripted::new([error(404, "machine not found"), error(404, "machine not found")]).await;
    retry(provider(&fly).await_state(APP, MACHINE, MachineState::Started).await);
}

#[tokio::test]
async fn machines_are_destroyed_by_name_and_waited_for() {
    let mut other = machine("started");
    other["name"] = json!("gateway-2");
    let fly = Scripted::new([
        reply(200, json!([machine("started"), other])),
        reply(200, json!({ "ok": true })),
        error(408, "deadline_exceeded"),
        reply(200, json!([machine("destroying")])),
        reply(200, json!({ "ok": true, "state": "destroyed" })),
    ])
    .await;
    let provider = provider(&fly);
    not_yet(provider.delete_machines(APP, "gateway-1").await);
    provider.delete_machines(APP, "gateway-1").await.unwrap();
    assert_eq!(fly.finished().iter().filter(|line| line.starts_with("DELETE")).count(), 1, "one that is on its way out is not hurried");
}
