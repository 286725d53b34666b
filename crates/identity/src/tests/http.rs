use std::time::Duration;

use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::testing::{Kind, SigningKey};
use crate::{FetchError, HttpKeys, KeyLocation, KeySource as _};

fn client() -> reqwest::Client {
    // A second test finds it installed already, which is as good.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn serve(server: &MockServer, at: &str, answer: ResponseTemplate) {
    Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(server).await;
}

fn json_answer(value: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(value)
}

async fn fetch(settings: &Settings) -> Result<Vec<u8>, FetchError> {
    HttpKeys::new(settings, client()).unwrap().fetch().await
}

#[tokio::test]
async fn keys_are_discovered_with_and_without_a_trailing_slash() {
    for slash in ["", "/"] {
        let server = MockServer::start().await;
        let address = format!("{}{slash}", server.uri());
        let key = SigningKey::generate(Kind::P256, "k");
        serve(
            &server,
            "/.well-known/openid-configuration",
            json_answer(&json!({ "issuer": address, "jwks_uri": format!("{}/keys", server.uri()) })),
        )
        .await;
        serve(&server, "/keys", json_answer(&json!({ "keys": [key.public()] }))).await;
        let verifier = Verifier::over_http(Settings::of_issuer(&address), client()).unwrap();
        let token = key.sign(&json!({ "alg": "ES256", "kid": "k" }), &json!({ "iss": address, "sub": "alice", "exp": 4_000_000_000_i64 }));
        assert_eq!(verifier.verify(&token).await.unwrap().subject, "alice");
    }
}

#[tokio::test]
async fn the_metadata_is_read_once() {
    let server = MockServer::start().await;
    let metadata = json!({ "issuer": server.uri(), "jwks_uri": format!("{}/keys", server.uri()) });
    Mock::given(path("/.well-known/openid-configuration")).respond_with(json_answer(&metadata)).expect(1).mount(&server).await;
    Mock::given(path("/keys")).respond_with(json_answer(&json!({ "keys": [] }))).expect(2).mount(&server).await;
    let keys = HttpKeys::new(&Settings::of_issuer(server.uri()), client()).unwrap();
    keys.fetch().await.unwrap();
    keys.fetch().await.unwrap();
}

#[tokio::test]
async fn metadata_of_somebody_else_is_not_believed() {
    let server = MockServer::start().await;
    for (metadata, expected) in [
        (json!({ "issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys" }), "another issuer"),
        (json!({ "issuer": server.uri(), "jwks_uri": "http://evil.example/keys" }), "not an https address"),
        (json!({ "issuer": server.uri() }), "not a JSON object"),
        (json!([]), "not a JSON object"),
    ] {
        server.reset().await;
        serve(&server, "/.well-known/openid-configuration", json_answer(&metadata)).await;
        let error = fetch(&Settings::of_issuer(server.uri())).await.unwrap_err();
        assert!(matches!(error, FetchError::Metadata { .. }) && error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_success_or_too_long_is_refused() {
    let server = MockServer::start().await;
    let settings = Settings { keys: KeyLocation::Url(format!("{}/keys", server.uri())), ..Settings::of_issuer(server.uri()) };
    for status in [204, 404, 500] {
        server.reset().await;
        serve(&server, "/keys", ResponseTemplate::new(status)).await;
        assert!(matches!(fetch(&settings).await, Err(FetchError::Status { status: got, .. }) if got == status));
    }
    server.reset().await;
    serve(&server, "/keys", ResponseTemplate::new(200).set_body_bytes(vec![b' '; 256 * 1024 + 1])).await;
    assert!(matches!(fetch(&settings).await, Err(FetchError::TooLong { .. })));
    server.reset().await;
    serve(&server, "/keys", ResponseTemplate::new(200).set_body_bytes(vec![b' '; 256 * 1024])).await;
    assert!(fetch(&settings).await.is_ok());
}

#[tokio::test]
async fn a_dead_or_silent_issuer_is_unreachable_in_bounded_time() {
    let server = MockServer::start().await;
    let settings = Settings { keys: KeyLocation::Url(format!("{}/keys", server.uri())), ..Settings::of_issuer(server.uri()) };
    serve(&server, "/keys", ResponseTemplate::new(200).set_delay(Duration::from_secs(60))).await;
    let begun = std::time::Instant::now();
    assert!(matches!(fetch(&settings).await, Err(FetchError::Unreachable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(10));

    // Nobody listens on a port that was bound and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings { keys: KeyLocation::Url(format!("http://127.0.0.1:{port}/keys")), ..settings };
    let error = fetch(&settings).await.unwrap_err();
    assert!(matches!(&error, FetchError::Unreachable { url, .. } if url.contains(&port.to_string())), "{error}");
    let verifier = Verifier::over_http(settings, client()).unwrap();
    let token = Issuer::start().sign(&claims());
    assert!(matches!(verifier.verify(&token).await, Err(VerifyError::IssuerUnreachable(_))));
}
