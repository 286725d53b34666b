//! What the flows' port for apps does about single answers.

use std::time::Duration;

use flows::ports::{Apps, Machines, Volumes};
use serde_json::{Value, json};

use super::{APP, app, app_list, error, fatal, machine_spec, not_yet, provider, retry, volume_spec};
use crate::scripted::{Line, Scripted, json as reply};

#[tokio::test]
async fn an_app_whose_name_is_taken_is_ours_only_in_our_organisation_and_on_its_network() {
    let name_taken = || reply(422, json!({ "error": "Validation failed: Name has already been taken", "status": "name_taken" }));
    let older = || error(409, "a text of an older version");
    let unknown_network = || reply(200, json!({ "name": APP, "organization": { "slug": "acme" } }));
    let found = [
        (vec![name_taken(), app("acme", APP)], true),
        (vec![older(), app("acme", APP)], true),
        (vec![name_taken(), unknown_network(), app_list(json!([{ "name": APP, "network": APP }]))], true),
        (vec![name_taken(), unknown_network(), app_list(json!([{ "name": APP, "network": "default" }]))], false),
        (vec![name_taken(), app("other", APP)], false),
        (vec![name_taken(), app("acme", "default")], false),
        (vec![name_taken(), error(403, "forbidden")], false),
    ];
    for (script, ours) in found {
        let fly = Scripted::new(script).await;
        let made = provider(&fly).ensure_app(APP, APP).await;
        fly.finished();
        if ours {
            made.unwrap();
        } else {
            assert!(fatal(made).contains("is not this deployment's"));
        }
    }
    let fly = Scripted::new([name_taken(), unknown_network(), app_list(json!([{ "name": "another" }]))]).await;
    retry(provider(&fly).ensure_app(APP, APP).await);
}

#[tokio::test]
async fn an_app_that_is_refused_for_its_name_is_the_end_and_one_that_is_being_deleted_is_not() {
    let fly = Scripted::new([
        error(422, "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes"),
        error(404, "no app"),
    ])
    .await;
    assert!(fatal(provider(&fly).ensure_app(APP, APP).await).contains("Name under 63 chars"));
    let fly = Scripted::new([error(422, "Name has already been taken"), error(404, "no app")]).await;
    assert_eq!(not_yet(provider(&fly).ensure_app(APP, APP).await), Duration::from_secs(2));
}

#[tokio::test]
async fn after_an_answer_that_means_anything_nobody_looks_for_two_seconds() {
    for line in [Line::Hang, error(500, "x"), error(408, "deadline_exceeded")] {
        let fly = Scripted::new([line.clone(), reply(200, json!([])), line.clone(), line]).await;
        let provider = provider(&fly);
        let two = Some(Duration::from_secs(2));
        assert_eq!(retry(provider.ensure_app(APP, APP).await), two);
        assert_eq!(retry(provider.ensure_volume(&volume_spec(APP, "fra")).await), two);
        assert_eq!(retry(provider.ensure_machine(&machine_spec(APP, "vol_1")).await), two);
        assert_eq!(fly.finished().len(), 4);
    }
}

#[tokio::test]
async fn a_limit_is_a_pause_as_long_as_the_server_asks_and_no_attempt() {
    let limited = crate::scripted::answer(429, "retry-after: 17\r\n", "{}");
    let fly = Scripted::new([limited]).await;
    assert_eq!(not_yet(provider(&fly).ensure_addresses(APP).await), Duration::from_secs(17));
}

#[tokio::test]
async fn an_app_that_was_made_a_moment_ago_may_not_answer_yet() {
    for line in
        [error(404, "app not found"), error(401, "Authenticate: token validation error"), error(400, "could not find app \"rp-test-1\"")]
    {
        let fly = Scripted::new([line]).await;
        assert!(retry(provider(&fly).ensure_addresses(APP).await).is_some());
    }
}

#[tokio::test]
async fn deleting_an_app_ends_when_it_is_gone() {
    let accepted = || reply(202, Value::Null);
    for script in [
        vec![error(404, "x")],
        vec![error(400, "could not find app \"rp-test-1\"")],
        vec![accepted(), error(404, "x")],
        vec![accepted(), error(403, "it went to somebody else")],
        vec![error(403, "x"), app_list(json!([{ "name": "another" }]))],
    ] {
        let fly = Scripted::new(script).await;
        provider(&fly).delete_app(APP).await.unwrap();
        fly.finished();
    }
    let fly = Scripted::new([accepted(), app("acme", APP)]).await;
    not_yet(provider(&fly).delete_app(APP).await);
    let fly = Scripted::new([error(403, "x"), app_list(json!([{ "name": APP }]))]).await;
    assert!(fatal(provider(&fly).delete_app(APP).await).contains("forbidden"), "ours, and the token may not: a person must look");
}

#[tokio::test]
async fn addresses_are_assigned_once_and_a_repeat_that_is_refused_is_done() {
    let one = json!({ "ip": "66.241.1.1", "shared": true });
    let both = json!({ "ips": [one, { "ip": "2a09::1" }] });
    let fly = Scripted::new([reply(200, both)]).await;
    provider(&fly).ensure_addresses(APP).await.unwrap();
    assert_eq!(fly.finished().len(), 1);

    let fly = Scripted::new([reply(200, json!({ "ips": [one] })), error(409, "already has one")]).await;
    provider(&fly).ensure_addresses(APP).await.unwrap();
    assert_eq!(fly.asked()[1].json(), json!({ "type": "v6" }));
    fly.finished();
}
