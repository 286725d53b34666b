//! How the gateway is kept running.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::SinkExt as _;
use gateway::environment as names;
use gateway::{Family, connect_request, pin};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::call::{bearer, call, get, hear, websocket};
use crate::support::{ORIGIN, PATIENCE, Plan, config, eventually, mirror, runs};

#[tokio::test]
async fn the_supervisor_lives_and_answers_whatever_the_gateway_does() {
    for program in [vec!["/no/such/program"], vec!["/bin/sh", "-c", "exit 7"], vec!["/bin/sh", "-c", "exec sleep 3600"]] {
        let machine = Plan::new(Family::Openclaw, &program).boot();
        let live = get(machine.address, "/_rockpool/live", &[]).await;
        assert_eq!(live.status, StatusCode::OK);
        assert_eq!(call(machine.address, Method::HEAD, "/_rockpool/live", &[], "").await.status, StatusCode::OK);
        let health = get(machine.address, "/health", &[]).await;
        assert_eq!((health.status, &health.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("not_ready")));
        assert!(health.json()["disk"]["free_bytes"].is_u64() && health.json()["memory"]["available_bytes"].is_u64());
        let metrics = get(machine.metrics, "/metrics", &[]).await;
        assert!(metrics.text().contains("\nrockpool_gateway_ready 0\n"));
        assert_eq!(get(machine.metrics, "/health", &[]).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_caller_who_waits_is_answered_as_soon_as_the_gateway_is_ready_or_the_time_is_up() {
    let plan = Plan::idle(Family::Openclaw);
    let mirror = mirror::serve(plan.gateway_port).await;
    mirror.ready.store(false, Ordering::Relaxed);
    let machine = plan.boot();
    let asked = tokio::time::Instant::now();
    let waited = get(machine.address, "/health?until=ready&timeout=1", &[]).await;
    assert_eq!(waited.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(asked.elapsed() >= Duration::from_secs(1));

    let address = machine.address;
    let waiting = tokio::spawn(async move { get(address, "/health?until=ready&timeout=20", &[]).await });
    let asked = tokio::time::Instant::now();
    mirror.ready.store(true, Ordering::Relaxed);
    let ready = waiting.await.unwrap();
    assert_eq!((ready.status, &ready.json()["gateway"]["phase"]), (StatusCode::OK, &json!("ready")));
    assert!(asked.elapsed() < Duration::from_secs(15), "it waited for the end of its time");
    assert_eq!(get(machine.address, "/health?until=ready&timeout=x", &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_gateway_that_hangs_is_reported_and_not_killed() {
    let plan = Plan::idle(Family::Openclaw);
    let mirror = mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    let gateway = machine.noted_gateway().unwrap();
    mirror.ready.store(false, Ordering::Relaxed);
    let health = machine.health_when("it is not ready any more", |health| health["gateway"]["phase"] == "not_ready").await;
    assert_eq!(health["gateway"]["starts"], 1);
    assert!(runs(gateway));
    mirror.ready.store(true, Ordering::Relaxed);
    assert_eq!(machine.ready().await["gateway"]["starts"], 1);
}

#[tokio::test]
async fn each_family_becomes_ready_and_completes_its_handshake_through_the_proxy() {
    for family in Family::ALL {
        let machine = Plan::stand_in(family).boot();
        let health = machine.ready().await;
        assert_eq!((&health["gateway"]["family"], &health["gateway"]["config"]["in_use"]), (&json!(family.as_str()), &json!("wanted")));
        let token = bearer(&machine.token(60));
        let (mut socket, _) = websocket(machine.address, &[("authorization", &token), ("origin", ORIGIN)]).await.unwrap();
        let challenge: Value = serde_json::from_str(&hear(&mut socket).await.unwrap()).unwrap();
        assert_eq!(challenge["event"], "connect.challenge");
        let connect = connect_request("1", pin(family).protocol).to_string();
        socket.send(Message::text(connect)).await.unwrap();
        let hello: Value = serde_json::from_str(&hear(&mut socket).await.unwrap()).unwrap();
        assert_eq!((&hello["ok"], &hello["payload"]["type"]), (&json!(true), &json!("hello-ok")), "{family}: {hello}");
        assert!(machine.log.lines().iter().any(|line| line["source"] == "gateway"), "the gateway's lines are in the log");
    }
}

#[tokio::test]
async fn a_refused_configuration_is_final_and_only_a_caller_with_a_token_learns_why() {
    for family in Family::ALL {
        let mut plan = Plan::stand_in(family);
        plan.config.as_mut().unwrap()["model"] = json!("x");
        let machine = plan.boot();
        let health = machine.health_when("it is refused", |health| health["gateway"]["phase"] == "refused").await;
        assert!(health["gateway"]["config"]["refusal"].as_str().unwrap().contains("model"), "{family}: {health:#}");
        let open = get(machine.address, "/health", &[]).await.json();
        assert_eq!(open["gateway"]["config"]["refused"], true);
        assert!(!open.to_string().contains("model"), "{open}");
        let starts = &open["gateway"]["starts"];
        let later = get(machine.address, "/health?until=ready&timeout=3", &[]).await.json();
        assert_eq!((&later["gateway"]["phase"], &later["gateway"]["starts"]), (&json!("refused"), starts), "{family} was started again");
        assert_eq!(get(machine.address, "/_rockpool/live", &[]).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refused_configuration_gives_way_to_the_last_good_one_and_health_says_so() {
    let mut plan = Plan::stand_in(Family::Openclaw);
    let mut first = plan.boot();
    first.ready().await;
    first.send(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(first.wait_for_end().code(), Some(0));

    plan.config.as_mut().unwrap()["features"] = json!({});
    let second = plan.boot();
    let health = second.ready().await;
    let config_state = &health["gateway"]["config"];
    assert_eq!((&config_state["in_use"], &config_state["refused"]), (&json!("last_good"), &json!(true)), "{health:#}");
    assert_eq!(health["gateway"]["last_exit"]["code"], 78);
    let installed = std::fs::read_to_string(plan.place("/data/state/openclaw.json")).unwrap();
    assert_eq!(installed, config(Family::Openclaw).to_string());
}

#[tokio::test]
async fn a_machine_without_a_configuration_says_so() {
    let plan = Plan { config: None, ..Plan::stand_in(Family::Openclaw) };
    let machine = plan.boot();
    let health = machine.health_when("it is refused", |health| health["gateway"]["phase"] == "refused").await;
    assert!(health["gateway"]["config"]["refusal"].as_str().unwrap().contains("no configuration was delivered"));
}

#[tokio::test]
async fn crashes_are_answered_later_each_time_and_never_a_third_time_within_openclaw_s_five_minutes() {
    let plan = Plan { environment: vec![("STAND_IN_CRASH_AFTER_MS".into(), "0".into())], ..Plan::stand_in(Family::Openclaw) };
    let machine = plan.boot();
    let booted = tokio::time::Instant::now();
    let health = machine.health_when("it crashed twice", |health| health["gateway"]["crashes"] == 2).await;
    assert!(booted.elapsed() >= Duration::from_secs(1), "it was started again at once");
    let health = if health["gateway"]["next_start"].is_null() {
        machine.health_when("it waits", |health| health["gateway"]["phase"] == "backing_off").await
    } else {
        health
    };
    let next: Timestamp = health["gateway"]["next_start"].as_str().unwrap().parse().unwrap();
    assert!(next.duration_since(Timestamp::now()) > SignedDuration::from_secs(240), "{health:#}");
    assert_eq!((&health["gateway"]["starts"], &health["gateway"]["last_exit"]["meaning"]), (&json!(2), &json!("crashed")));

    let order = machine.command(Method::POST, "/_rockpool/restart", "").await;
    assert_eq!(order.status, StatusCode::ACCEPTED);
    machine.health_when("an order cuts the wait short", |health| health["gateway"]["starts"] == 3).await;
}

#[tokio::test]
async fn the_gateway_gets_its_folders_and_its_owner_s_variables_and_none_of_the_supervisor_s() {
    let mut plan = Plan::new(
        Family::Openclaw,
        &["/bin/sh", "-c", "env > \"$HOME/env\"; echo \"$@\" > \"$HOME/arguments\"; exec sleep 3600", "gateway"],
    );
    plan.environment = vec![("ANTHROPIC_API_KEY".into(), "customer-s-own".into())];
    let machine = plan.boot();
    machine.health_when("its process runs", |health| health["gateway"]["phase"] == "starting").await;
    let written = eventually("the process wrote what it got", || {
        std::fs::read_to_string(plan.place("/data/home/arguments")).ok().filter(|text| !text.is_empty())
    });
    assert_eq!(written.trim(), format!("gateway --port {} --bind loopback", plan.gateway_port));
    let environment = std::fs::read_to_string(plan.place("/data/home/env")).unwrap();
    let ours: Vec<_> =
        environment.lines().filter(|line| line.starts_with("ROCKPOOL_")).map(|line| line.split('=').next().unwrap()).collect();
    assert!(ours.iter().all(|name| [names::GATEWAY_WORKSPACE, names::GATEWAY_LOG].contains(name)), "{ours:?}");
    assert!(environment.contains("ANTHROPIC_API_KEY=customer-s-own\n"));
    assert!(environment.contains("NODE_OPTIONS=--max-old-space-size=1536\n"), "the heap fits 2048 MB");
    let mode = |path: &str| std::fs::metadata(plan.place(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("/data/state"), mode("/data/state/openclaw.json"), mode("/data/rockpool")), (0o700, 0o600, 0o700));
}

#[tokio::test]
async fn what_the_gateway_leaves_behind_is_reaped_and_ended_with_it() {
    let script = "setsid sh -c 'echo $$ > \"$HOME/detached\"; exec sleep 3600' & (setsid true &) ; while [ ! -s \"$HOME/detached\" ]; do :; done; exec sleep 3600";
    let plan = Plan::new(Family::Openclaw, &["/bin/sh", "-c", script]);
    let machine = plan.boot();
    let detached =
        eventually("it detached", || std::fs::read_to_string(plan.place("/data/home/detached")).ok()?.trim().parse::<i32>().ok());
    assert!(runs(detached));
    let gateway = eventually("the gateway is noted", || machine.noted_gateway());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(gateway), nix::sys::signal::Signal::SIGKILL).unwrap();
    let ended =
        tokio::time::timeout(PATIENCE, machine.health_when("it crashed", |health| health["gateway"]["crashes"] == 1)).await.unwrap();
    assert_eq!(ended["gateway"]["last_exit"]["signal"], 9);
    eventually("the detached process is gone", || (!runs(detached)).then_some(()));
    let metrics = get(machine.metrics, "/metrics", &[]).await.text();
    assert!(!metrics.contains("\nrockpool_orphans_reaped_total 0\n"), "{metrics}");
}
