use super::*;

async fn create(app: &App, body: Value) -> Answer {
    app.call("alice", "POST", "/v1/instances", body).await
}

fn wish_with(field: &str, value: Value) -> Value {
    let mut body = wish("a");
    body[field] = value;
    body
}

#[tokio::test]
async fn each_wrong_value_has_a_problem_of_its_own() {
    let app = App::start().await;
    for (body, expected, field) in [
        (wish_with("plan", json!("gold")), pair(422, "unknown-plan"), "plan"),
        (wish_with("plan", json!("")), pair(422, "unknown-plan"), "plan"),
        (wish_with("region", json!("xyz")), pair(422, "unknown-region"), "region"),
        (wish_with("region", json!("FRA")), pair(422, "unknown-region"), "region"),
        (wish_with("allowed_regions", json!(["ams", "moon"])), pair(422, "unknown-region"), "allowed_regions"),
        (wish_with("gateway", json!({ "family": "openclaw", "version": "2026.9.5" })), pair(422, "unknown-version"), "gateway"),
        (wish_with("gateway", json!({ "family": "clawdbot", "version": "2026.9.6" })), pair(422, "unknown-version"), "gateway"),
        (wish_with("gateway", json!({ "family": "moltbot" })), pair(422, "unknown-version"), "gateway"),
        (wish_with("plan", json!("starter")), pair(422, "plan-too-small"), "plan"),
        (wish_with("name", json!("")), pair(422, "name-invalid"), "name"),
        (wish_with("name", json!("x".repeat(64))), pair(422, "name-too-long"), "name"),
        (wish_with("name", json!("My_Assistant")), pair(422, "name-invalid"), "name"),
        (wish_with("name", json!("-a")), pair(422, "name-invalid"), "name"),
        (wish_with("color", json!("red")), pair(400, "unknown-field"), "color"),
        (wish_with("gateway", json!({ "family": "openclaw", "channel": "beta" })), pair(400, "unknown-field"), "gateway.channel"),
        (wish_with("name", json!(7)), pair(400, "wrong-type"), "name"),
        (wish_with("allowed_regions", json!("fra")), pair(400, "wrong-type"), "allowed_regions"),
        (wish_with("gateway", json!({ "version": "2026.9.6" })), pair(400, "invalid-body"), "gateway"),
    ] {
        let answer = create(&app, body.clone()).await;
        assert_eq!(answer.problem(), expected, "{body}: {}", answer.text);
        assert_eq!(answer.at("/field"), field, "{body}: {}", answer.text);
    }
    assert!(app.sent().is_empty());
    assert_eq!(app.get("/v1/instances").await.json()["instances"], json!([]), "nothing of it was recorded");
}

#[tokio::test]
async fn a_plan_that_is_too_small_is_refused_with_one_that_fits() {
    let app = App::start().await;
    insta::assert_json_snapshot!(create(&app, wish_with("plan", json!("starter"))).await.shown(), @r#"
    {
      "detail": "openclaw 2026.9.6 needs 2048 MB of memory, more than the plan `starter` has. Choose the plan `pro` or a larger one.",
      "field": "plan",
      "fits": "pro",
      "needs_memory_mb": 2048,
      "request_id": "…",
      "status": 422,
      "title": "The plan is too small for the gateway version",
      "type": "https://rockpool.dev/problems/plan-too-small"
    }
    "#);
    let clawdbot = json!({ "name": "a", "plan": "starter", "region": "fra", "gateway": { "family": "clawdbot" } });
    assert_eq!(create(&app, clawdbot).await.status, 202, "the smallest plan hosts the older line");
}

#[tokio::test]
async fn an_unknown_version_is_refused_with_those_that_exist() {
    let app = App::start().await;
    insta::assert_json_snapshot!(create(&app, wish_with("gateway", json!({ "family": "openclaw", "version": "1.0" }))).await.shown(), @r#"
    {
      "detail": "The gateway `openclaw 1.0` is not hosted here. Choose one of these: openclaw 2026.9.6, clawdbot 2026.1.24-3.",
      "field": "gateway",
      "known": [
        "openclaw 2026.9.6",
        "clawdbot 2026.1.24-3"
      ],
      "request_id": "…",
      "status": 422,
      "title": "There is no such gateway version",
      "type": "https://rockpool.dev/problems/unknown-version"
    }
    "#);
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let app = App::start().await;
    for field in ["name", "plan", "region"] {
        let mut body = wish("a");
        body.as_object_mut().unwrap().remove(field);
        let answer = create(&app, body).await;
        assert_eq!(answer.problem(), pair(400, "invalid-body"));
        assert!(answer.at("/detail").contains(&format!("missing field `{field}`")), "{}", answer.text);
    }
}

/// Every route that reads a body, with an address that exists.
async fn routes_with_bodies(app: &App) -> [(&'static str, String); 3] {
    let id = app.running("a").await;
    [("POST", "/v1/instances".to_owned()), ("PATCH", format!("/v1/instances/{id}")), ("POST", format!("/v1/instances/{id}/restart"))]
}

#[tokio::test]
async fn every_route_with_a_body_refuses_what_is_no_body() {
    let app = App::start().await;
    for (method, path) in routes_with_bodies(&app).await {
        let send = async |media: &str, body: Vec<u8>| {
            let token = format!("Bearer {}", app.issuer.token("alice"));
            let request = Request::builder().method(method).uri(&path).header("authorization", token).header("content-type", media);
            app.send(request.body(Body::from(body)).unwrap()).await.problem()
        };
        for body in [&b"{"[..], b"name=a", b"\xff\xfe"] {
            assert_eq!(send("application/json", body.to_vec()).await, pair(400, "not-json"), "{method} {path} {body:?}");
        }
        for body in [&b"[]"[..], b"null", b"\"text\"", b"7"] {
            assert_eq!(send("application/json", body.to_vec()).await, pair(400, "wrong-type"), "{method} {path} {body:?}");
        }
        assert_eq!(send("application/json", br#"{"nmae":"a"}"#.to_vec()).await, pair(400, "unknown-field"), "{method} {path}");
        assert_eq!(send("application/json", vec![b' '; 65 * 1024]).await, pair(413, "body-too-large"), "{method} {path}");
        assert_eq!(send("text/plain", b"{}".to_vec()).await, pair(415, "unsupported-media-type"), "{method} {path}");
    }
}

#[tokio::test]
async fn a_patch_must_change_something_that_can_be_changed() {
    let app = App::start().await;
    let (id, _) = app.create("a").await;
    let path = format!("/v1/instances/{id}");
    let patch = async |body: Value| app.call("alice", "PATCH", &path, body).await.problem();
    assert_eq!(patch(json!({})).await, pair(400, "invalid-body"));
    assert_eq!(patch(json!({ "name": null })).await, pair(400, "invalid-body"));
    assert_eq!(patch(json!({ "allowed_regions": [] })).await, pair(400, "invalid-body"));
    assert_eq!(patch(json!({ "allowed_regions": ["moon"] })).await, pair(422, "unknown-region"));
    assert_eq!(patch(json!({ "name": "A B" })).await, pair(422, "name-invalid"));
    assert_eq!(patch(json!({ "plan": "pro" })).await, pair(400, "unknown-field"));
    assert_eq!(patch(json!({ "allowed_regions": ["fra", "ams"] })).await, pair(409, "busy"), "its run chooses among the old ones");
}

#[tokio::test]
async fn a_restart_of_something_else_is_refused() {
    let app = App::start().await;
    let id = app.running("a").await;
    let path = format!("/v1/instances/{id}/restart");
    assert_eq!(app.call("alice", "POST", &path, json!({ "scope": "planet" })).await.problem(), pair(400, "invalid-body"));
    assert_eq!(app.call("alice", "POST", &path, json!({ "scope": "machine" })).await.status, 202);
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused() {
    let app = App::start().await;
    let (id, _) = app.create("a").await;
    let long = "x".repeat(256);
    for key in ["", "a b", &*long] {
        for (method, path, body) in [
            ("POST", "/v1/instances".to_owned(), Some(wish("b"))),
            ("POST", format!("/v1/instances/{id}/start"), None),
            ("DELETE", format!("/v1/instances/{id}"), None),
        ] {
            let answer = app.call_with("alice", method, &path, body, &[("idempotency-key", key)]).await;
            assert_eq!(answer.problem(), pair(400, "invalid-idempotency-key"), "{method} {path}");
        }
    }
}
