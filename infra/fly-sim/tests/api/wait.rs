use std::time::Duration;

use fly_sim::host::Exit;
use fly_sim::{Fault, HostLatencies, Latencies, Match, Options};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Fly, image, machine, text};

async fn booting_in(seconds: u64) -> (Fly, String) {
    let fly = Fly::with(HostLatencies { boot: Duration::from_secs(seconds), ..HostLatencies::default() }, |options: Options| options).await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image() })).await;
    (fly, id)
}

#[tokio::test(start_paused = true)]
async fn a_wait_answers_as_soon_as_the_state_is_reached() {
    let (fly, id) = booting_in(7).await;
    let begun = Instant::now();
    let (status, answer) = fly.get(&machine(&id, "/wait")).await;
    assert_eq!((status, &answer["ok"], &answer["state"]), (200, &json!(true), &json!("started")));
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert!(answer.get("id").is_none(), "it does not answer a machine");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ran_out_is_answered_408_and_says_where_the_machine_is() {
    let (fly, id) = booting_in(70).await;
    let begun = Instant::now();
    let (status, answer) = fly.get(&machine(&id, "/wait?state=started&timeout=5")).await;
    assert_eq!((status, text(&answer)), (408, "deadline_exceeded: machine failed to reach desired state, started, currently starting"));
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(fly.get(&machine(&id, "/wait")).await.0, 408, "60 s by default");
    assert_eq!(begun.elapsed().as_secs(), 65);
    assert_eq!(fly.get(&machine(&id, "/wait?timeout=10s")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn several_states_and_settled_can_be_waited_for() {
    let (fly, id) = booting_in(1).await;
    assert_eq!(fly.get(&machine(&id, "/wait?state=stopped%2Cdestroyed&state=settled")).await.1["state"], "started");
    assert_eq!(fly.get(&machine(&id, "/wait?state=stopped&state=started")).await.1["state"], "started");
}

#[tokio::test(start_paused = true)]
async fn arguments_out_of_range_are_refused() {
    let (fly, id) = booting_in(0).await;
    for timeout in ["0", "61", "90", "1h", "soon"] {
        let (status, answer) = fly.get(&machine(&id, &format!("/wait?timeout={timeout}"))).await;
        assert_eq!(status, 400);
        assert!(
            text(&answer).starts_with("invalid_argument") && text(&answer).ends_with("value must be inside range [1s, 1m0s]"),
            "{answer}"
        );
    }
    assert_eq!(fly.get(&machine(&id, "/wait?state=happy")).await.0, 400);
    assert_eq!(fly.get(&machine("00", "/wait")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_stop_of_a_machine_that_destroys_itself_is_told_that_it_is_gone() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "auto_destroy": true, "restart": { "policy": "no" } })).await;
    let waiting = async |states: &str| fly.get(&machine(&id, &format!("/wait?state={states}"))).await.0;
    let ends = async { fly.host.exit(&id, Exit { code: Some(0), ..Exit::default() }) };
    assert_eq!(tokio::join!(waiting("stopped"), waiting("stopped,destroyed"), ends), (404, 200, true));
    assert_eq!(waiting("stopped").await, 404, "afterwards too");

    let other = fly.started(image()).await;
    fly.delete(&machine(&other, "?force=true")).await;
    assert_eq!(fly.get(&machine(&other, "/wait?state=stopped&timeout=1")).await.0, 408, "any other is just not stopped");
}

#[tokio::test(start_paused = true)]
async fn a_machine_may_be_read_as_destroying_after_the_wait_for_its_end() {
    let latencies = Latencies { destroyed_lag: Duration::from_secs(2), ..Latencies::default() };
    let fly = Fly::with(HostLatencies::default(), |options: Options| Options { latencies, ..options }).await;
    let id = fly.started(image()).await;
    fly.delete(&machine(&id, "?force=true")).await;
    fly.reach(&id, "destroyed").await;
    let (_, read) = fly.get(&machine(&id, "")).await;
    assert_eq!((&read["state"], &read["events"][0]["status"]), (&json!("destroying"), &json!("destroying")));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(fly.state(&id).await, "destroyed");
    fly.simulator.script().on(Match::action("get_machine")).then(Fault::Lag(Duration::from_secs(1)));
    assert_eq!(fly.state(&id).await, "destroying", "or by a single slow copy");
    assert_eq!(fly.state(&id).await, "destroyed");
}

#[tokio::test(start_paused = true)]
async fn an_old_version_is_replaced_for_ever() {
    let (fly, id) = booting_in(0).await;
    fly.reach(&id, "started").await;
    let old = fly.get(&machine(&id, "")).await.1["instance_id"].as_str().unwrap().to_owned();
    let (_, updated) = fly.post(&machine(&id, ""), json!({ "config": image() })).await;
    let new = updated["instance_id"].as_str().unwrap();
    assert_eq!(
        fly.get(&machine(&id, &format!("/wait?version={new}&instance_id={old}"))).await.0,
        200,
        "`version` supersedes `instance_id`"
    );
    let (status, answer) = fly.get(&machine(&id, &format!("/wait?version={old}&timeout=1"))).await;
    assert_eq!((status, text(&answer)), (408, "deadline_exceeded: machine failed to reach desired state, started, currently replaced"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_after_an_event_does_not_take_the_state_before_it() {
    let (fly, id) = booting_in(0).await;
    let (_, first) = fly.get(&machine(&id, "/wait")).await;
    let event = first["event_id"].as_str().unwrap();
    assert_eq!(fly.get(&machine(&id, &format!("/wait?timeout=1&from_event_id={event}"))).await.0, 408);
    fly.post(&machine(&id, "/restart"), json!({})).await;
    assert_eq!(fly.get(&machine(&id, &format!("/wait?timeout=1&from_event_id={event}"))).await.0, 200);
}
