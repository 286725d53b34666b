use super::*;

/// Every route that names an instance or an operation.
fn routes(instance: &str, operation: &str) -> Vec<(&'static str, String, Option<Value>)> {
    vec![
        ("GET", format!("/v1/instances/{instance}"), None),
        ("PATCH", format!("/v1/instances/{instance}"), Some(json!({ "name": "b" }))),
        ("PATCH", format!("/v1/instances/{instance}"), Some(json!({ "allowed_regions": ["fra"] }))),
        ("DELETE", format!("/v1/instances/{instance}"), None),
        ("POST", format!("/v1/instances/{instance}/start"), None),
        ("POST", format!("/v1/instances/{instance}/stop"), None),
        ("POST", format!("/v1/instances/{instance}/restart"), None),
        ("POST", format!("/v1/instances/{instance}/restart"), Some(json!({ "scope": "machine" }))),
        ("POST", format!("/v1/instances/{instance}/access"), None),
        ("GET", format!("/v1/instances/{instance}/operations"), None),
        ("GET", format!("/v1/operations/{operation}"), None),
        ("POST", format!("/v1/operations/{operation}/cancel"), None),
    ]
}

#[tokio::test]
async fn what_belongs_to_others_is_answered_like_what_never_was() {
    let app = App::start().await;
    let id = app.running("a").await;
    let operation = app.post(&format!("/v1/instances/{id}/stop")).await.at("/operation/id");
    let (nothing, never) = nobody();
    for (theirs, none) in routes(&id, &operation).into_iter().zip(routes(&nothing, &never)) {
        let (method, path, body) = theirs;
        let foreign = app.call("bob", method, &path, body.clone()).await;
        assert_eq!(foreign.problem(), pair(404, "not-found"), "{method} {path}");
        let absent = app.call("bob", method, &none.1, body).await;
        assert_eq!(foreign.shown(), absent.shown(), "{method} {path}");
    }
    let mine = app.get(&format!("/v1/instances/{id}")).await.json();
    assert_eq!(
        (&mine["name"], &mine["state"], &mine["operation"]),
        (&json!("a"), &json!("stopping"), &json!(operation)),
        "nothing was touched"
    );
    assert_eq!(app.call("bob", "GET", "/v1/instances", None).await.json()["instances"], json!([]));
}

#[tokio::test]
async fn a_malformed_identifier_finds_nothing() {
    let app = App::start().await;
    for id in [
        "x",
        "ins_",
        "op_",
        "org_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f",
        "%00",
        "..%2f..",
        "ins_0190C5A0A1B27C3D8E4F5A6B7C8D9E0F",
        "%F0%9F%90%9A",
    ] {
        for (method, path, body) in routes(id, id) {
            assert_eq!(app.call("alice", method, &path, body).await.problem(), pair(404, "not-found"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let app = App::start().await;
    let (id, operation) = app.create("a").await;
    let expired = app.issuer.sign(&json!({ "iss": Issuer::ADDRESS, "sub": "alice", "exp": 1_000_000_000 }));
    let foreign = app.issuer.sign(&json!({ "iss": "https://elsewhere.example/", "sub": "alice", "exp": 9_000_000_000i64 }));
    let forged = Issuer::start().token("alice");
    let mut all = routes(&id, &operation);
    all.extend([("GET", "/v1/instances".to_owned(), None), ("POST", "/v1/instances".to_owned(), Some(json!({ "bad": 1 })))]);
    all.extend(routes("malformed", "malformed"));
    for (method, path, body) in all {
        for (token, kind) in
            [(None, "unauthorised"), (Some(&expired), "token-expired"), (Some(&foreign), "token-foreign"), (Some(&forged), "token-invalid")]
        {
            let mut request = Request::builder().method(method).uri(&path).header("content-type", "application/json");
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = app.send(request.body(Body::from(body.clone().unwrap_or_default().to_string())).unwrap()).await;
            assert_eq!(answer.problem(), pair(401, kind), "{method} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer "));
        }
    }
}
