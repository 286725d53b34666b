use std::time::Duration;

use fly_sim::{HostLatencies, Latencies, Options};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Fly, image, machine, text};

const SECOND: Duration = Duration::from_secs(1);

/// Everything takes its time, in virtual seconds.
async fn slow() -> Fly {
    let host = HostLatencies { boot: 10 * SECOND, stop: 5 * SECOND, destroy: 2 * SECOND, resume: SECOND, ..HostLatencies::default() };
    Fly::with(host, |options| Options { latencies: Latencies { prepare: 20 * SECOND, ..Latencies::default() }, ..options }).await
}

#[tokio::test(start_paused = true)]
async fn every_transient_state_is_seen_and_lasts_as_long_as_it_is_told_to() {
    let fly = slow().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image() })).await;
    let mut seen = Vec::new();
    let mut note = async |after: u32| {
        tokio::time::sleep(after * SECOND).await;
        seen.push(fly.state(&id).await);
    };
    note(19).await;
    note(2).await;
    note(10).await;
    fly.post(&machine(&id, "/stop"), json!({})).await;
    note(1).await;
    note(5).await;
    fly.post(&machine(&id, "/start"), json!({})).await;
    note(1).await;
    note(10).await;
    fly.post(&machine(&id, "/restart"), json!({})).await;
    note(1).await;
    note(5).await;
    note(10).await;
    fly.post(&machine(&id, "/suspend"), json!({})).await;
    note(1).await;
    note(5).await;
    fly.delete(&machine(&id, "")).await;
    note(1).await;
    note(2).await;
    let expected = [
        "created",
        "starting",
        "started",
        "stopping",
        "stopped",
        "starting",
        "started",
        "restarting",
        "starting",
        "started",
        "suspending",
        "suspended",
        "destroying",
        "destroyed",
    ];
    assert_eq!(seen, expected);
    assert_eq!(fly.get(&machine(&id, "")).await.0, 200, "a destroyed machine still answers");
}

#[tokio::test(start_paused = true)]
async fn what_the_state_forbids_is_refused_in_fly_s_words() {
    let fly = slow().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image() })).await;
    let refused = async |verb: &str, expected: &str| {
        let (status, answer) = fly.post(&machine(&id, verb), json!({})).await;
        assert_eq!((status, text(&answer)), (412, expected), "{verb}");
    };
    refused("/start", "failed_precondition: unable to start machine from current state: 'created'").await;
    refused("/stop", "failed_precondition: unable to stop machine from current state: 'created'").await;
    fly.reach(&id, "started").await;
    let (status, answer) = fly.delete(&machine(&id, "?kill=false")).await;
    assert_eq!(
        (status, text(&answer)),
        (412, "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created")
    );
    fly.post(&machine(&id, ""), json!({ "config": image() })).await;
    refused("/start", "failed_precondition: machine getting replaced, refusing to start").await;
    fly.reach(&id, "started").await;
    fly.post(&machine(&id, "/stop"), json!({ "timeout": "0s" })).await;
    refused("/start", "failed_precondition: machine still active, refusing to start").await;
    fly.reach(&id, "stopped").await;
    // The same states, of machines whose program does not run any more.
    for (way, body, told) in [("", json!({ "config": image(), "skip_launch": true }), "replacing"), ("/stop", json!({}), "stopping")] {
        fly.post(&machine(&id, "/start"), json!({})).await;
        fly.reach(&id, "started").await;
        fly.post(&machine(&id, "/suspend"), json!(null)).await;
        fly.reach(&id, "suspended").await;
        fly.post(&machine(&id, way), body).await;
        refused("/start", &format!("failed_precondition: unable to start machine from current state: '{told}'")).await;
        fly.reach(&id, "stopped").await;
    }
    refused("/suspend", "failed_precondition: unable to suspend machine from current state: 'stopped'").await;
    let (status, answer) = fly.post(&machine(&id, "/signal"), json!({ "signal": "SIGTERM" })).await;
    assert_eq!((status, text(&answer)), (412, "failed_precondition: unable to signal machine from current state: 'stopped'"));
    fly.post(&machine(&id, "/start"), json!({})).await;
    fly.delete(&machine(&id, "?kill=true")).await;
    fly.reach(&id, "destroyed").await;
    refused("/start", "failed_precondition: unable to start machine from current state: 'destroyed'").await;
}

#[tokio::test]
async fn starting_what_runs_and_stopping_what_rests_change_nothing() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    assert_eq!(
        fly.post(&machine(&id, "/start"), json!(null)).await,
        (200, json!({ "previous_state": "started", "migrated": false, "new_host": "" }))
    );
    fly.post(&machine(&id, "/stop"), json!(null)).await;
    fly.reach(&id, "stopped").await;
    assert_eq!(fly.post(&machine(&id, "/stop"), json!(null)).await, (200, json!({ "ok": true })));
    assert_eq!(fly.post(&machine(&id, "/start"), json!(null)).await.1["previous_state"], "stopped");
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().len(), 2);
}

#[tokio::test]
async fn a_machine_created_with_skip_launch_rests_until_it_is_started() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image(), "skip_launch": true })).await;
    fly.reach(&id, "stopped").await;
    assert!(fly.host.boots().is_empty());
    fly.post(&machine(&id, "/start"), json!({})).await;
    fly.reach(&id, "started").await;
}

#[tokio::test]
async fn stopping_a_suspended_machine_drops_what_was_frozen() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.post(&machine(&id, "/suspend"), json!({})).await;
    fly.reach(&id, "suspended").await;
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    fly.post(&machine(&id, "/start"), json!({})).await;
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_runs_on_where_it_was_and_boots_when_its_memory_is_gone() {
    let fly = slow().await;
    fly.post("/v1/apps", json!({ "app_name": "a", "org_slug": "personal" })).await;
    fly.post("/v1/apps/a/secrets", json!({ "values": { "A": "1" } })).await;
    let id = fly.started(image()).await;
    let suspend = async || {
        assert_eq!(fly.post(&machine(&id, "/suspend"), json!(null)).await, (200, json!({ "ok": true })));
        fly.reach(&id, "suspended").await;
        assert!(fly.host.running().is_empty());
    };
    // How long a start takes, and how many boots there were by then.
    let start = async || {
        let begun = Instant::now();
        assert_eq!(fly.post(&machine(&id, "/start"), json!({})).await.1["previous_state"], "suspended");
        fly.reach(&id, "started").await;
        (begun.elapsed().as_secs(), fly.host.boots().len())
    };
    suspend().await;
    assert_eq!(start().await, (1, 1), "it runs on");
    let (_, events) = fly.get(&machine(&id, "/events")).await;
    assert!(!events.to_string().contains("exit_event"), "its program never ended: {events}");

    suspend().await;
    assert!(fly.simulator.drop_suspended(&id) && !fly.simulator.drop_suspended(&id));
    assert_eq!(start().await, (10, 2), "its host needed the space");

    suspend().await;
    fly.post(&machine(&id, ""), json!({ "config": { "image": "registry.fly.io/tenant:2" } })).await;
    fly.reach(&id, "started").await;
    assert_eq!(fly.host.boots().len(), 3, "a new version boots");
}

#[tokio::test]
async fn a_machine_with_swap_or_a_schedule_cannot_be_suspended() {
    let fly = Fly::new().await;
    for config in [json!({ "image": "i", "init": { "swap_size_mb": 512 } }), json!({ "image": "i", "schedule": "daily" })] {
        let id = fly.started(config).await;
        assert_eq!(fly.post(&machine(&id, "/suspend"), json!(null)).await.0, 412);
        fly.delete(&machine(&id, "?force=true")).await;
        fly.reach(&id, "destroyed").await;
    }
}

#[tokio::test]
async fn a_machine_that_cannot_boot_has_failed_and_may_be_started_again() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.host.refuse_boot("m", Some("no such image"));
    let id = fly.create(json!({ "name": "m", "config": image() })).await;
    fly.reach(&id, "failed").await;
    assert!(fly.get(&machine(&id, "/events")).await.1[0]["request"]["error"].as_str().unwrap().contains("no such image"));
    fly.host.refuse_boot("m", None);
    fly.post(&machine(&id, "/start"), json!({})).await;
    fly.reach(&id, "started").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_image_cannot_be_fetched_is_given_up_and_one_that_had_another_stays() {
    let latencies = Latencies { prepare: 20 * SECOND, give_up: 30 * SECOND, ..Latencies::default() };
    let fly = Fly::with(HostLatencies::default(), |options| Options { latencies, ..options }).await;
    let id = fly.started(image()).await;
    fly.host.refuse_image("bad", Some("manifest unknown"));
    let given_up = fly.create(json!({ "name": "n", "config": { "image": "bad" } })).await;
    fly.post(&machine(&id, ""), json!({ "config": { "image": "bad" } })).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((fly.state(&given_up).await.as_str(), fly.state(&id).await.as_str()), ("created", "updating"));
    assert_eq!(fly.post(&machine(&id, "/start"), json!({})).await.0, 412);
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!((fly.state(&given_up).await.as_str(), fly.state(&id).await.as_str()), ("launch_failed", "failed"));
    assert!(fly.get(&machine(&given_up, "/events")).await.1[0]["request"]["error"].as_str().unwrap().contains("manifest unknown"));
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(fly.state(&given_up).await, "destroyed");
    assert_eq!(fly.host.boots().len(), 1);
    fly.post(&machine(&id, ""), json!({ "config": image() })).await;
    fly.reach(&id, "started").await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_delete_works_while_a_machine_is_still_being_prepared() {
    let fly = slow().await;
    fly.app("a").await;
    let id = fly.create(json!({ "config": image() })).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(fly.delete(&machine(&id, "?force=true")).await, (200, json!({ "ok": true })));
    fly.reach(&id, "destroyed").await;
    assert!(fly.host.boots().is_empty());
}

#[tokio::test]
async fn a_stop_takes_the_signals_that_end_a_machine_and_no_others() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    for name in ["SIGPIPE", "SIGSEGV", "SIGILL", "SIGTRAP", "SIGABRT", "SIGFPE", "SIGALRM", "SIGNAL"] {
        assert_eq!(fly.post(&machine(&id, "/stop"), json!({ "signal": name })).await.0, 400, "{name}");
    }
    assert_eq!(fly.state(&id).await, "started");
    for name in ["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"] {
        assert_eq!(fly.post(&machine(&id, "/stop"), json!({ "signal": name })).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn a_signal_reaches_the_machine_s_program() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "restart": { "policy": "no" } })).await;
    assert_eq!(fly.post(&machine(&id, "/signal"), json!({ "signal": "SIGNAL" })).await.0, 400);
    assert_eq!(fly.post(&machine(&id, "/signal"), json!({ "signal": 9 })).await, (200, json!({ "ok": true })));
    fly.reach(&id, "stopped").await;
    let (_, events) = fly.get(&machine(&id, "/events")).await;
    assert_eq!(events[0]["request"]["exit_event"]["guest_signal"], 9);
}

#[tokio::test]
async fn a_cordoned_machine_is_out_of_routing_until_it_is_uncordoned() {
    let fly = Fly::new().await;
    let services = json!([{ "protocol": "tcp", "internal_port": 8080, "checks": [{ "type": "http", "path": "/live" }] }]);
    let id = fly.started(json!({ "image": "i", "services": services })).await;
    let routable = || fly.simulator.routable("a").map(|machine| machine.id);
    while routable().is_none() {
        tokio::task::yield_now().await;
    }
    fly.post(&machine(&id, "/cordon"), json!(null)).await;
    assert_eq!((routable(), fly.get(&machine(&id, "")).await.1["cordoned"].as_bool()), (None, Some(true)));
    fly.post(&machine(&id, "/uncordon"), json!(null)).await;
    assert_eq!(routable(), Some(id.clone()));
    fly.host.check(&id, "servicecheck-00-http-8080", "critical");
    while routable().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fly.get(&machine(&id, "")).await.1["checks"][0]["status"], "critical");
    assert_eq!(fly.simulator.machine_for_app("a").unwrap().id, id, "a failing check unroutes a machine and does not restart it");
    assert_eq!(fly.state(&id).await, "started");
}
