use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn server(answer: ResponseTemplate) -> (MockServer, u16) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let port = server.address().port();
    (server, port)
}

#[tokio::test]
async fn names_under_localhost_are_this_machine() {
    let (server, port) = server(ResponseTemplate::new(204)).await;
    let client = shell::http_client().unwrap();
    for name in ["localhost", "rp-local-0123.localhost", "a.b.localhost", "rp-local-0123.localhost."] {
        let answer = client.get(format!("http://{name}:{port}/")).send().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(answer.status(), 204, "{name}");
    }
    let asked = server.received_requests().await.unwrap();
    let host = asked[1].headers.get("host").unwrap().to_str().unwrap();
    assert_eq!(host, format!("rp-local-0123.localhost:{port}"), "the proxy tells instances apart by it");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_takes_no_token_elsewhere() {
    let (elsewhere, _) = server(ResponseTemplate::new(200)).await;
    let (_here, port) = server(ResponseTemplate::new(307).insert_header("location", elsewhere.uri())).await;
    let client = shell::http_client().unwrap();
    let answer = client.get(format!("http://localhost:{port}/")).bearer_auth("token").send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
