use domain::Verb;

use super::*;

#[tokio::test]
async fn an_instance_goes_through_its_life() {
    let app = App::start().await;
    let id = app.running("a").await;
    let path = format!("/v1/instances/{id}");
    let act = async |verb: &str| app.post(&format!("{path}/{verb}")).await;
    insta::assert_json_snapshot!(app.get(&path).await.shown(), @r#"
    {
      "address": "https://rp-test-1.fly.dev",
      "allowed_regions": [
        "fra"
      ],
      "created_at": "2026-11-23T12:00:00Z",
      "gateway": {
        "family": "openclaw",
        "version": "2026.9.6"
      },
      "id": "ins_1",
      "name": "a",
      "operation": null,
      "plan": "team",
      "region": "fra",
      "state": "running",
      "trouble": null,
      "updated_at": "2026-11-23T12:00:00Z",
      "wanted": "running"
    }
    "#);
    app.sent();

    let noop = act("start").await;
    assert_eq!((noop.status.as_u16(), &noop.json()["operation"], noop.header("location")), (200, &json!(null), ""));
    assert!(app.sent().is_empty());

    let stop = act("stop").await;
    assert_eq!((stop.status.as_u16(), stop.at("/instance/state"), stop.at("/instance/wanted")), (202, "stopping".into(), "stopped".into()));
    assert_eq!(app.sent().len(), 1);
    let busy = act("restart").await;
    assert_eq!((busy.problem(), busy.at("/operation")), (pair(409, "busy"), stop.at("/operation/id")));
    app.settle(&id, State::Stopped).await;

    let forbidden = act("restart").await;
    assert_eq!(forbidden.problem(), pair(409, "state-forbids"));
    insta::assert_json_snapshot!(forbidden.shown(), @r#"
    {
      "allowed": [
        "running",
        "degraded"
      ],
      "detail": "`restart` is not possible while the instance is stopped. It is possible in these states: running, degraded.",
      "request_id": "…",
      "state": "stopped",
      "status": 409,
      "title": "The instance's state forbids it",
      "type": "https://rockpool.dev/problems/state-forbids"
    }
    "#);
    assert_eq!(act("access").await.problem(), pair(409, "state-forbids"));
    assert_eq!(act("stop").await.status, 200);
    assert_eq!(act("start").await.status, 202);
    app.settle(&id, State::Running).await;
    assert_eq!(act("restart").await.at("/instance/state"), "restarting");
    app.settle(&id, State::Running).await;

    let deleted = app.call("alice", "DELETE", &path, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.at("/operation/kind")), (202, "retire".into()));
    let operation = format!("/v1/operations/{}", deleted.at("/operation/id"));
    for verb in ["start", "stop", "restart", "access"] {
        assert_eq!(act(verb).await.problem(), pair(404, "not-found"), "{verb}");
    }
    assert_eq!(app.get(&path).await.problem(), pair(404, "not-found"));
    assert_eq!(app.get(&format!("{path}/operations")).await.problem(), pair(404, "not-found"));
    assert_eq!(app.call("alice", "PATCH", &path, json!({ "name": "b" })).await.problem(), pair(404, "not-found"));
    assert_eq!(app.call("alice", "DELETE", &path, None).await.problem(), pair(404, "not-found"));
    assert_eq!(app.get("/v1/instances").await.json()["instances"], json!([]));
    assert_eq!(app.call("alice", "POST", "/v1/instances", wish("a")).await.problem(), pair(409, "name-taken"));
    assert_eq!(app.get(&operation).await.at("/state"), "running");

    app.end(&deleted.at("/operation/id"), Outcome::Succeeded, json!(null)).await;
    assert_eq!(app.get(&operation).await.at("/state"), "succeeded", "it outlives its instance");
    assert_eq!(app.call("alice", "POST", "/v1/instances", wish("a")).await.status, 202, "the name is free again");
}

/// The table of states and verbs, row by row, through the API.
#[tokio::test]
async fn every_state_answers_every_verb_as_the_table_says() {
    use domain::Verdict;
    let rows: [(State, &[&str], Option<State>); 6] = [
        (State::Provisioning, &[], None),
        (State::Running, &[], Some(State::Running)),
        (State::Stopping, &["stop"], Some(State::Running)),
        (State::Stopped, &["stop", "settle"], Some(State::Running)),
        (State::Restarting, &["restart"], Some(State::Running)),
        (State::Degraded, &["restart", "degrade"], Some(State::Running)),
    ];
    for (state, way, made) in rows {
        for verb in Verb::ALL {
            let app = App::start().await;
            let id = if made.is_some() { app.running("a").await } else { app.create("a").await.0 };
            let path = format!("/v1/instances/{id}");
            for step in way {
                match *step {
                    "settle" => app.settle(&id, State::Stopped).await,
                    "degrade" => app.settle(&id, State::Degraded).await,
                    verb => assert_eq!(app.post(&format!("{path}/{verb}")).await.status, 202),
                }
            }
            assert_eq!(app.get(&path).await.at("/state"), state.as_str());
            let answer = if verb == Verb::Delete {
                app.call("alice", "DELETE", &path, None).await
            } else {
                app.post(&format!("{path}/{}", verb.as_str())).await
            };
            let status = answer.status.as_u16();
            match state.allows(verb) {
                Verdict::Run if verb == Verb::Access => assert_eq!(status, 200, "{state} {verb:?}: {}", answer.text),
                Verdict::Run | Verdict::Absorbed => assert_eq!(status, 202, "{state} {verb:?}: {}", answer.text),
                Verdict::Nothing => assert_eq!(status, 200, "{state} {verb:?}: {}", answer.text),
                Verdict::Busy => assert_eq!(answer.problem(), pair(409, "busy"), "{state} {verb:?}"),
                Verdict::Forbidden => assert_eq!(answer.problem(), pair(409, "state-forbids"), "{state} {verb:?}"),
                Verdict::Gone => assert_eq!(answer.problem(), pair(404, "not-found"), "{state} {verb:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_failed_instance_can_only_be_deleted() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    let failed = Outcome::Failed { step: "create_machine".to_owned(), message: "no region has room".to_owned() };
    app.end(&operation, failed, json!(null)).await;
    let path = format!("/v1/instances/{id}");
    let found = app.get(&path).await;
    assert_eq!((found.at("/state"), found.json()["address"].clone()), ("failed".into(), json!(null)));
    assert!(found.at("/trouble/message").contains("no region has room"));
    for verb in ["start", "stop", "restart", "access"] {
        let answer = app.post(&format!("{path}/{verb}")).await;
        assert_eq!(answer.problem(), pair(409, "state-forbids"), "{verb}");
    }
    assert_eq!(app.call("alice", "DELETE", &path, None).await.status, 202);
}

#[tokio::test]
async fn a_delete_during_provisioning_turns_the_run_back() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    app.sent();
    let deleted = app.call("alice", "DELETE", &format!("/v1/instances/{id}"), None).await;
    assert_eq!((deleted.status.as_u16(), deleted.at("/operation/id")), (202, operation.clone()));
    assert_eq!(app.sent().len(), 1, "nobody worked on it, so it is woken");
    assert_eq!(app.get(&format!("/v1/instances/{id}")).await.problem(), pair(404, "not-found"));
    assert_eq!(app.get(&format!("/v1/operations/{operation}")).await.at("/cancel_requested_at"), NOW);
}

#[tokio::test]
async fn name_and_regions_can_be_changed() {
    let app = App::start().await;
    let id = app.running("a").await;
    app.create("b").await;
    let path = format!("/v1/instances/{id}");
    let patch = async |body: Value| app.call("alice", "PATCH", &path, body).await;
    let answer = patch(json!({ "name": "c", "allowed_regions": ["ams", "fra"] })).await;
    assert_eq!((answer.at("/name"), &answer.json()["allowed_regions"]), ("c".into(), &json!(["ams", "fra"])));
    assert_eq!(answer.at("/region"), "fra", "it does not move");
    assert_eq!(app.get(&path).await.json(), answer.json());
    assert_eq!(patch(json!({ "name": "b" })).await.problem(), pair(409, "name-taken"));
    let leaving = patch(json!({ "allowed_regions": ["ams", "cdg"] })).await;
    assert_eq!((leaving.problem(), leaving.at("/region")), (pair(409, "region-in-use"), "fra".into()));
    assert_eq!(patch(json!({ "name": "c" })).await.status, 200, "its own name is not taken");
    assert_eq!(app.call("alice", "POST", "/v1/instances", wish("a")).await.status, 202, "the old name is free");
}
