//! What one call does about what can go wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use fly::api::{
    AddressKind, LogQuery, MachineConfig, MachineFilter, MachineState, NewApp, NewMachine, NewVolume, SecretsVersion, WaitFor, Waited,
};
use fly::{CallError, Refusal};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scripted::{Line, Scripted, TOKEN, TRACEPARENT, answer, client, json as reply};

const APP: &str = "rp-test-1";

fn machine() -> NewMachine {
    let config = MachineConfig { image: "registry.fly.io/i:1".to_owned(), ..MachineConfig::default() };
    NewMachine {
        name: "gateway-1".to_owned(),
        region: "fra".to_owned(),
        config,
        min_secrets_version: Some(SecretsVersion(7)),
        skip_launch: false,
    }
}

fn volume() -> NewVolume {
    NewVolume { name: "data_1".to_owned(), region: "fra".to_owned(), size_gb: 5, compute: None }
}

fn error(status: u16, text: &str) -> Line {
    reply(status, json!({ "error": text }))
}

#[tokio::test]
async fn a_read_is_sent_again_after_a_lost_answer_a_server_error_and_a_limit() {
    for line in [Line::Hang, error(500, "internal"), error(502, "bad gateway"), error(429, "slow down"), answer(200, "", r#"{"name":"rp"#)]
    {
        let fly = Scripted::new([line, reply(200, json!({ "name": APP }))]).await;
        assert_eq!(fly.client.app(APP).get().await.unwrap().name, APP);
        assert_eq!(fly.finished(), ["GET /v1/apps/rp-test-1"; 2]);
    }
}

#[tokio::test]
async fn a_call_says_which_trace_it_belongs_to() {
    let fly = Scripted::new([reply(200, json!({ "name": APP }))]).await;
    fly.client.app(APP).get().await.unwrap();
    assert!(fly.asked()[0].head.contains(&format!("traceparent: {TRACEPARENT}\r\n")), "{}", fly.asked()[0].head);
}

#[tokio::test]
async fn a_read_is_sent_three_times_at_most() {
    let fly = Scripted::new([error(500, "a"), Line::Hang, error(500, "c")]).await;
    let error = fly.client.app(APP).get().await.unwrap_err();
    assert!(matches!(error, CallError::Ambiguous { remote: Some(_), .. }), "{error}");
    assert_eq!(fly.finished().len(), 3);
}

#[tokio::test]
async fn a_create_is_never_sent_again_when_it_may_have_taken_effect() {
    for line in [Line::Hang, error(500, "internal"), error(408, "deadline_exceeded"), answer(200, "", "<html>proxy</html>")] {
        let fly = Scripted::new([line.clone(), line]).await;
        assert!(fly.client.app(APP).create_machine(&machine()).await.unwrap_err().is_ambiguous());
        assert!(fly.client.app(APP).create_volume(&volume()).await.unwrap_err().is_ambiguous());
        assert_eq!(fly.finished(), ["POST /v1/apps/rp-test-1/machines", "POST /v1/apps/rp-test-1/volumes"]);
    }
}

#[tokio::test]
async fn the_answer_to_a_new_app_is_not_read() {
    let fly = Scripted::new([answer(201, "", "whatever")]).await;
    let app = NewApp { name: APP.to_owned(), org_slug: "acme".to_owned(), network: "n".to_owned() };
    fly.client.create_app(&app).await.unwrap();
    assert_eq!(fly.finished(), ["POST /v1/apps?wait=true"]);
    assert_eq!(fly.asked()[0].json(), json!({ "name": APP, "org_slug": "acme", "network": "n" }));
}

#[tokio::test]
async fn a_create_is_sent_again_when_the_server_cannot_have_acted() {
    let fly = Scripted::new([error(429, "slow down"), reply(200, json!({ "id": "1a", "name": "gateway-1", "state": "created" }))]).await;
    let created = fly.client.app(APP).create_machine(&machine()).await.unwrap();
    assert_eq!((created.id.as_str(), created.state), ("1a", MachineState::Created));
    assert_eq!(fly.finished(), ["POST /v1/apps/rp-test-1/machines"; 2]);
    assert_eq!(
        fly.asked()[1].json(),
        json!({ "name": "gateway-1", "region": "fra", "config": { "image": "registry.fly.io/i:1" }, "min_secrets_version": 7 })
    );
}

#[tokio::test]
async fn nothing_was_sent_to_a_server_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(&format!("http://{address}")).app(APP).create_volume(&volume()).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { source: Some(_), .. }), "{error:?}");
    assert_eq!(error.to_string(), "create_volume did not reach the provider");
}

#[tokio::test]
async fn a_limit_that_lasts_longer_than_this_call_is_left_to_the_caller() {
    let fly = Scripted::new([answer(429, "retry-after: 30\r\n", "{}")]).await;
    match fly.client.app(APP).get().await.unwrap_err() {
        CallError::RateLimited { retry_after, .. } => assert_eq!(retry_after, Some(Duration::from_secs(30))),
        other => panic!("{other}"),
    }
    assert_eq!(fly.finished().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_says_what_it_means() {
    let fly = Scripted::new([reply(422, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" }))]).await;
    let error = fly.client.app(APP).create_machine(&machine()).await.unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::RegionFull));
    assert_eq!(
        error.to_string(),
        "create_machine was refused (the region is full): 422 insufficient_capacity `could not find a candidate host` (request 01REQUEST-fra)"
    );
    assert_eq!(fly.finished().len(), 1);
}

#[tokio::test]
async fn bodies_that_are_no_answer_are_errors_that_say_so() {
    let huge = format!("[{}]", " ".repeat(5 << 20));
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n[{}", " ".repeat(5 << 20)).into_bytes();
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n[{\"id\":".to_vec();
    for (line, says) in [
        (answer(200, "", "<!DOCTYPE html><title>Sign in</title>"), "HTML page of 37 bytes"),
        (answer(200, "", ""), "its body is empty"),
        (answer(200, "", r#"[{"id":"1"#), "breaks off at line 1 column 9"),
        (answer(200, "", r#"{"id":1}"#), "another shape than promised at line 1"),
        (answer(200, "", "hello"), "not JSON at line 1 column 1"),
        (answer(200, "", &huge), "longer than 4194304 bytes"),
        (Line::Bytes(endless), "longer than 4194304 bytes"),
        (Line::Bytes(cut), "broke off after 7 bytes"),
        (answer(302, "location: http://127.0.0.1:1/\r\n", ""), "no answer of this API"),
    ] {
        let fly = Scripted::new(vec![line; 3]).await;
        let error = fly.client.app(APP).volumes().await.unwrap_err();
        assert!(matches!(error, CallError::Unreadable { .. }) && error.to_string().contains(says), "{error} lacks `{says}`");
        assert_eq!(fly.finished().len(), 3, "a read is sent again: {says}");
    }
}

#[tokio::test]
async fn an_error_with_a_huge_or_broken_body_keeps_its_status() {
    let huge = format!(r#"{{"error":"{}"}}"#, "x".repeat(5 << 20));
    let cut = b"HTTP/1.1 404 X\r\ncontent-length: 100\r\nconnection: close\r\n\r\nnot fou".to_vec();
    for line in [answer(404, "", &huge), Line::Bytes(cut)] {
        let fly = Scripted::new([line]).await;
        let error = fly.client.app(APP).get().await.unwrap_err();
        assert!(error.is_not_found() && error.to_string().len() < 1000, "{error}");
    }
}

#[tokio::test]
async fn no_error_shows_the_token_or_a_secret() {
    let fly =
        Scripted::new([error(401, &format!("bad token {TOKEN}")), error(422, "value `hunter2` is not acceptable"), error(503, "hunter2")])
            .await;
    let secrets = BTreeMap::from([("PASSWORD".to_owned(), Some("hunter2".into()))]);
    let errors =
        [fly.client.app(APP).get().await.map(drop).unwrap_err(), fly.client.app(APP).set_secrets(&secrets).await.map(drop).unwrap_err()];
    for error in errors {
        let shown = format!("{error} {error:?} {:?}", fly.client);
        assert!(!shown.contains(TOKEN) && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("withheld"), "{shown}");
    }
}

#[tokio::test]
async fn secrets_are_sent_and_their_version_comes_back_in_either_spelling() {
    let fly =
        Scripted::new([reply(200, json!({ "version": 12, "Version": 12, "secrets": [] })), reply(200, json!({ "Version": 13 }))]).await;
    let secrets = BTreeMap::from([("A".to_owned(), Some("1".into())), ("B".to_owned(), None)]);
    assert_eq!(fly.client.app(APP).set_secrets(&secrets).await.unwrap(), SecretsVersion(12));
    assert_eq!(fly.client.app(APP).set_secrets(&secrets).await.unwrap(), SecretsVersion(13));
    assert_eq!(fly.asked()[0].json(), json!({ "values": { "A": "1", "B": null } }));
    assert!(fly.asked()[0].head.contains(&format!("authorization: Bearer {TOKEN}")));
}

#[tokio::test]
async fn a_wait_that_ran_out_is_no_error_and_is_not_repeated() {
    let fly = Scripted::new([
        error(408, "deadline_exceeded: machine failed to reach desired state, started, currently created"),
        reply(200, json!({ "ok": true, "state": "started" })),
    ])
    .await;
    let app = fly.client.app(APP);
    let wait = async || app.machine("1a").wait(WaitFor::Started, Duration::from_secs(14)).await.unwrap();
    assert_eq!(wait().await, Waited::NotYet);
    assert_eq!(wait().await, Waited::Reached);
    assert_eq!(fly.finished(), ["GET /v1/apps/rp-test-1/machines/1a/wait?state=started&timeout=14"; 2]);
}

#[tokio::test]
async fn a_wait_asks_for_what_fly_accepts() {
    let fly = Scripted::new(vec![reply(200, json!({})); 3]).await;
    for longest in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(90)] {
        fly.client.app(APP).machine("1a").wait(WaitFor::Destroyed, longest).await.unwrap();
    }
    let timeouts: Vec<_> = fly.finished().iter().map(|line| line.rsplit_once('=').unwrap().1.to_owned()).collect();
    assert_eq!(timeouts, ["1", "1", "60"]);
}

#[tokio::test]
async fn a_client_with_a_limit_does_not_outlast_it() {
    let fly = Scripted::new([Line::Silence]).await;
    let hurried = fly.client.within(Duration::from_millis(100));
    assert!(matches!(hurried.app(APP).get().await.unwrap_err(), CallError::Ambiguous { remote: None, .. }));
    let error = hurried.app(APP).get().await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { source: None, .. }), "{error}");
    assert_eq!(fly.finished().len(), 1, "nothing is sent once the time is over");
}

#[tokio::test]
async fn a_lease_is_read_wrapped_and_flat_and_its_nonce_is_shown_to_the_server_alone() {
    let lease = json!({ "nonce": "n0nce", "expires_at": 1_790_000_000, "owner": "me", "version": "01V" });
    let fly = Scripted::new([
        reply(201, json!({ "status": "success", "data": lease })),
        reply(200, lease.clone()),
        error(404, "lease not found"),
        reply(200, json!({ "ok": true })),
        error(404, "lease not found"),
    ])
    .await;
    let app = fly.client.app(APP);
    let taken = app.machine("1a").take_lease(Duration::from_secs(30), "test").await.unwrap();
    assert_eq!((taken.expires_at, taken.version.as_deref()), (1_790_000_000, Some("01V")));
    assert!(!format!("{taken:?}").contains("n0nce"));
    assert_eq!(app.machine("1a").lease().await.unwrap().unwrap().owner, "me");
    assert!(app.machine("1a").lease().await.unwrap().is_none());
    let held = app.machine("1a").holding(taken.nonce.unwrap());
    held.stop().await.unwrap();
    held.release_lease().await.unwrap();
    assert_eq!(fly.asked()[0].json(), json!({ "ttl": 30, "description": "test" }));
    for asked in &fly.asked()[3..] {
        assert!(asked.head.contains("fly-machine-lease-nonce: n0nce"), "{}", asked.head);
    }
}

#[tokio::test]
async fn a_machine_is_read_whatever_else_it_says() {
    let body = json!([{
        "id": "148e21f71d9e89", "name": "gateway-1", "state": "a_state_of_next_year", "region": "fra", "host_status": "unreachable",
        "config": null, "incomplete_config": { "metadata": { "rockpool_instance": "ins_1" }, "mounts": null, "novelty": {} },
        "checks": null, "created_at": "", "updated_at": "2026-11-23T10:00:00Z",
        "events": [
            { "id": "2", "type": "exit", "timestamp": 2, "request": { "exit_event": { "oom_killed": true } } },
            { "id": "1", "type": "exit", "timestamp": 1, "request": { "MonitorEvent": { "exit_event": { "exit_code": 78 } } } },
            { "id": "0", "type": "launch", "timestamp": 0, "request": null },
        ],
    }]);
    let fly = Scripted::new([reply(200, body), answer(200, "", "null")]).await;
    let filter = MachineFilter { metadata: BTreeMap::from([("rockpool_instance".to_owned(), "ins_1".to_owned())]), include_deleted: true };
    let machines = fly.client.app(APP).machines(&filter).await.unwrap();
    let seen = &machines[0];
    assert_eq!(seen.state, MachineState::Unknown);
    assert_eq!(seen.known_config().unwrap().metadata["rockpool_instance"], "ins_1");
    assert!(seen.created_at.is_none() && seen.updated_at.is_some());
    let exits: Vec<_> = seen.events.iter().map(|event| event.exit().map(|exit| (exit.exit_code, exit.oom_killed))).collect();
    assert_eq!(exits, [Some((0, true)), Some((78, false)), None]);
    assert!(fly.client.app(APP).machines(&MachineFilter::default()).await.unwrap().is_empty());
    assert_eq!(fly.finished()[0], "GET /v1/apps/rp-test-1/machines?metadata.rockpool_instance=ins_1&include_deleted=true");
}

#[tokio::test]
async fn logs_are_read_page_by_page() {
    let entry = json!({ "id": "1", "type": "log", "attributes": { "timestamp": "2026-11-23T10:00:00.5Z", "message": "hello", "level": "info", "instance": "1a", "region": "fra", "meta": {} } });
    let fly = Scripted::new([
        reply(200, json!({ "data": [entry], "meta": { "next_token": "17" } })),
        reply(200, json!({ "data": [], "meta": {} })),
    ])
    .await;
    let first = fly.client.app(APP).logs(&LogQuery { machine: Some("1a".to_owned()), ..LogQuery::default() }).await.unwrap();
    assert_eq!((first.entries[0].message.as_str(), first.next_token.as_deref()), ("hello", Some("17")));
    let next = fly.client.app(APP).logs(&LogQuery { next_token: first.next_token, ..LogQuery::default() }).await.unwrap();
    assert!(next.entries.is_empty() && next.next_token.is_none());
    assert_eq!(fly.finished(), ["GET /api/v1/apps/rp-test-1/logs?instance=1a", "GET /api/v1/apps/rp-test-1/logs?next_token=17"]);
}

#[tokio::test]
async fn lists_of_an_organisation_say_what_they_do_not_know() {
    let machines = json!({ "machines": [{ "app_name": APP, "id": "1a", "state": "started", "config": { "metadata": { "k": "v" } } }], "next_cursor": "c", "error_regions": ["fra"] });
    let fly = Scripted::new([
        reply(200, machines),
        reply(200, json!({ "volumes": [{ "app_name": APP, "id": "vol_1", "state": "pending_destroy" }], "next_cursor": "" })),
        reply(200, json!({ "total_apps": 1, "apps": [{ "name": APP, "network": "n", "machine_count": 2, "volume_count": 1 }] })),
    ])
    .await;
    let page = fly.client.organisation_machines("acme", None).await.unwrap();
    assert_eq!((page.error_regions, page.next_cursor.as_deref()), (vec!["fra".to_owned()], Some("c")));
    assert_eq!(page.items[0].metadata().unwrap()["k"], "v");
    let volumes = fly.client.organisation_volumes("acme", Some("c")).await.unwrap();
    assert!(volumes.next_cursor.is_none() && volumes.items[0].state.is_gone());
    assert_eq!(fly.client.apps("acme").await.unwrap()[0].network.as_deref(), Some("n"));
    assert_eq!(
        fly.finished(),
        ["GET /v1/orgs/acme/machines?limit=1000", "GET /v1/orgs/acme/volumes?limit=1000&cursor=c", "GET /v1/apps?org_slug=acme"]
    );
}

#[tokio::test]
async fn certificates_are_followed_over_pages_but_not_for_ever() {
    let page = |name: &str, cursor: Value| {
        reply(200, json!({ "certificates": [{ "hostname": name, "status": "active" }], "next_cursor": cursor }))
    };
    let detail = json!({ "hostname": "*.example.com", "status": "pending_validation", "configured": false, "dns_requirements": { "a": ["1.2.3.4"], "aaaa": null, "acme_challenge": { "name": "_acme", "target": "t" } } });
    let fly =
        Scripted::new([page("a", json!("c")), page("b", json!("c")), reply(201, detail.clone()), reply(200, detail), error(404, "none")])
            .await;
    let app = fly.client.app(APP);
    assert_eq!(app.certificates().await.unwrap().len(), 2);
    assert_eq!(app.request_certificate("*.example.com").await.unwrap().dns_requirements.a, ["1.2.3.4"]);
    assert_eq!(app.check_certificate("*.example.com").await.unwrap().status, "pending_validation");
    app.delete_certificate("*.example.com").await.unwrap();
    assert_eq!(fly.finished().last().unwrap(), "DELETE /v1/apps/rp-test-1/certificates/*.example.com");
}

#[tokio::test]
async fn addresses_are_asked_for_by_their_kind() {
    let fly = Scripted::new([reply(200, json!({ "ip": "66.1.1.1", "shared": true })), reply(200, json!({ "ips": null }))]).await;
    fly.client.app(APP).assign_address(AddressKind::SharedV4).await.unwrap();
    assert!(fly.client.app(APP).addresses().await.unwrap().is_empty());
    assert_eq!(fly.asked()[0].json(), json!({ "type": "shared_v4" }));
}
