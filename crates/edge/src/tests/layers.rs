use super::*;

const ID: &str = "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    for path in ["/", "/nowhere", "/whoami/", "//", "/items", "/%ff", "/items/%ff"] {
        let answer = ask("GET", path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
    }
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(method, &format!("/items/{ID}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (405, "method-not-allowed"), "{method}");
        assert_eq!(answer.header("allow"), "GET,HEAD,DELETE");
    }
}

#[tokio::test]
async fn a_malformed_identifier_finds_nothing() {
    assert_eq!(ask("GET", &format!("/items/{ID}"), &[], "").await.json()["id"], ID);
    for id in
        ["x", "ins_", "op_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f", &ID.to_uppercase(), &format!("{ID}0"), "..", "%2e%2e%2f", "%00", "ins_%F0%9F"]
    {
        let answer = ask("GET", &format!("/items/{id}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{id}");
    }
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    assert_eq!(ask("GET", &format!("/items/{ID}?limit=7"), &[], "").await.json()["limit"], 7);
    for query in ["limit=x", "limit=-1", "limit=", "limit=1&limit=2", "limti=7", "limit=99999999999", "%ff=1"] {
        let answer = ask("GET", &format!("/items/{ID}?{query}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid-query"), "{query}: {}", answer.text);
    }
    let detail = ask("GET", &format!("/items/{ID}?limti=7"), &[], "").await.json()["detail"].to_string();
    assert!(detail.contains("limti") && detail.contains("limit`"), "{detail}");
}

#[tokio::test]
async fn idempotency_keys_are_visible_ascii_and_recognise_the_request() {
    assert_eq!(ask("POST", "/key", &[], "").await.json(), json!(null));
    let digest = async |method: &str, path: &str| ask(method, path, &[("idempotency-key", "k")], "").await.json()[1].clone();
    assert_eq!(digest("POST", "/key").await, digest("POST", "/key").await);
    assert_ne!(digest("POST", "/key").await, digest("PUT", "/key").await);
    assert_ne!(digest("POST", "/key").await, digest("POST", "/key/1").await);
    let whole = ask("POST", "/key", &[("idempotency-key", &"~".repeat(255))], "").await.json();
    assert_eq!(whole[0], "~".repeat(255));
    assert_ne!(whole[1], whole[2], "the body counts");
    assert_eq!(whole[1].as_str().unwrap().len(), 64);
    for bad in ["", " ", "a b", "caf\u{e9}", &"x".repeat(256)] {
        let answer = ask("POST", "/key", &[("idempotency-key", bad)], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid-idempotency-key"), "{bad}");
    }
    assert_eq!(ask("POST", "/key", &[("idempotency-key", "a"), ("idempotency-key", "b")], "").await.status, 400);
}

#[tokio::test]
async fn our_own_faults_say_nothing_but_the_request_id() {
    for path in ["/panic", "/internal"] {
        let answer = ask("GET", path, &[("x-request-id", "my-request-7")], "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (500, "internal"));
        assert!(!answer.text.contains("secret"), "{}", answer.text);
        assert_eq!(answer.json()["request_id"], "my-request-7");
        assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_the_handler_knows_it() {
    let answer = ask("GET", "/id", &[], "").await;
    assert_eq!(answer.text, answer.header("x-request-id"));
    assert_ne!(answer.text, ask("GET", "/id", &[], "").await.text);
    assert_eq!(ask("GET", "/id", &[("x-request-id", "caller-chosen")], "").await.header("x-request-id"), "caller-chosen");
}

#[tokio::test]
async fn every_answer_has_security_headers_unless_its_handler_chose_others() {
    for path in ["/id", "/nowhere", "/panic", "/whoami"] {
        let answer = ask("GET", path, &[], "").await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(answer.header("strict-transport-security").starts_with("max-age="));
    }
    assert_eq!(ask("GET", "/cached", &[], "").await.header("cache-control"), "max-age=60");
}

#[tokio::test]
async fn a_head_request_gets_the_headers_of_the_problem_only() {
    let answer = ask("HEAD", "/items/x", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (404, ""));
    assert_eq!(answer.header("content-type"), "application/problem+json");
}
