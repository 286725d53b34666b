use super::*;

#[tokio::test]
async fn a_wish_is_recorded_with_its_operation_and_the_run_is_woken() {
    let app = App::start().await;
    let body = json!({ "name": "my-assistant", "plan": "pro", "region": "fra", "allowed_regions": ["ams", "fra", "ams"] });
    let answer = app.call("alice", "POST", "/v1/instances", body).await;
    assert_eq!(answer.status, 202);
    let operation = answer.at("/operation/id");
    assert_eq!(answer.header("location"), format!("/v1/operations/{operation}"));
    assert_eq!(app.sent(), [format!("{}.{operation}", organisation("alice"))]);
    insta::assert_json_snapshot!(answer.shown(), @r#"
    {
      "instance": {
        "address": null,
        "allowed_regions": [
          "fra",
          "ams"
        ],
        "created_at": "2026-11-23T12:00:00Z",
        "gateway": {
          "family": "openclaw",
          "version": "2026.9.6"
        },
        "id": "ins_1",
        "name": "my-assistant",
        "operation": "op_2",
        "plan": "pro",
        "region": "fra",
        "state": "provisioning",
        "trouble": null,
        "updated_at": "2026-11-23T12:00:00Z",
        "wanted": "running"
      },
      "operation": {
        "cancel_requested_at": null,
        "cancellable": true,
        "created_at": "2026-11-23T12:00:00Z",
        "ended_at": null,
        "error": null,
        "id": "op_2",
        "instance": "ins_1",
        "kind": "provision",
        "state": "running",
        "steps": []
      }
    }
    "#);

    let instance = app.get(&format!("/v1/instances/{}", answer.at("/instance/id"))).await;
    assert_eq!(instance.json(), answer.json()["instance"]);
    let found = app.get(&format!("/v1/operations/{operation}")).await;
    assert_eq!(found.json(), answer.json()["operation"]);
}

#[tokio::test]
async fn without_a_gateway_the_newest_openclaw_is_meant() {
    let app = App::start().await;
    for (gateway, expected) in [
        (json!(null), json!({ "family": "openclaw", "version": "2026.9.6" })),
        (json!({ "family": "openclaw" }), json!({ "family": "openclaw", "version": "2026.9.6" })),
        (json!({ "family": "clawdbot" }), json!({ "family": "clawdbot", "version": "2026.1.24-3" })),
        (json!({ "family": "clawdbot", "version": "2026.1.24-3" }), json!({ "family": "clawdbot", "version": "2026.1.24-3" })),
    ] {
        let mut body = wish(&format!("n{}", OperationId::generate().digits()));
        body["gateway"] = gateway;
        assert_eq!(app.call("alice", "POST", "/v1/instances", body).await.json()["instance"]["gateway"], expected);
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let app = App::start().await;
    let key = [("idempotency-key", "3f2c")];
    let first = app.call_with("alice", "POST", "/v1/instances", Some(wish("a")), &key).await;
    assert_eq!(first.status, 202);
    app.end(&first.at("/operation/id"), Outcome::Cancelled, json!(null)).await;
    app.sent();
    let second = app.call_with("alice", "POST", "/v1/instances", Some(wish("a")), &key).await;
    assert_eq!((second.status, second.json()), (first.status, first.json()));
    assert_eq!(second.header("location"), first.header("location"));
    assert!(app.sent().is_empty(), "nothing is done twice");

    let other = app.call_with("alice", "POST", "/v1/instances", Some(wish("b")), &key).await;
    assert_eq!(other.problem(), pair(422, "idempotency-key-reused"));
    let elsewhere = app.call_with("alice", "POST", &format!("/v1/instances/{}/stop", first.at("/instance/id")), None, &key).await;
    assert_eq!(elsewhere.problem(), pair(422, "idempotency-key-reused"));
    let bobs = app.call_with("bob", "POST", "/v1/instances", Some(wish("a")), &key).await;
    assert_eq!(bobs.status, 202, "keys are an organisation's own: {}", bobs.text);
}

#[tokio::test]
async fn a_repeated_action_gets_the_first_answer() {
    let app = App::start().await;
    let (id, key) = (app.running("a").await, [("idempotency-key", "k")]);
    let path = format!("/v1/instances/{id}/stop");
    let first = app.call_with("alice", "POST", &path, None, &key).await;
    app.settle(&id, State::Stopped).await;
    let second = app.call_with("alice", "POST", &path, None, &key).await;
    assert_eq!((second.status, second.json()), (first.status, first.json()));
}

#[tokio::test]
async fn a_name_is_unique_within_its_organisation_only() {
    let app = App::start().await;
    app.create("a").await;
    let answer = app.call("alice", "POST", "/v1/instances", wish("a")).await;
    assert_eq!(answer.problem(), pair(409, "name-taken"));
    insta::assert_json_snapshot!(answer.shown(), @r#"
    {
      "detail": "An instance of yours is called `a`, or was and is still being deleted. Choose another name, or wait for its end.",
      "field": "name",
      "request_id": "…",
      "status": 409,
      "title": "The name is taken",
      "type": "https://rockpool.dev/problems/name-taken"
    }
    "#);
    assert_eq!(app.call("bob", "POST", "/v1/instances", wish("a")).await.status, 202);
}

#[tokio::test]
async fn the_plan_limits_how_many_there_may_be() {
    let app = App::start().await;
    for name in ["a", "b", "c"] {
        let body = json!({ "name": name, "plan": "pro", "region": "fra" });
        assert_eq!(app.call("alice", "POST", "/v1/instances", body).await.status, 202);
    }
    let answer = app.call("alice", "POST", "/v1/instances", json!({ "name": "d", "plan": "pro", "region": "fra" })).await;
    assert_eq!(answer.problem(), pair(409, "quota-exceeded"));
    assert_eq!((answer.json()["limit"].clone(), answer.at("/plan")), (json!(3), "pro".to_owned()));
}
