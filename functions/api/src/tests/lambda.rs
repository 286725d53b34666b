use super::*;

/// An event of an HTTP API of Amazon API Gateway, payload format 2.0:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
fn event(method: &str, path: &str, query: &str, headers: &Value, body: Option<&str>) -> Request<lambda_http::Body> {
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "curl/8" },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_435_200_000_i64
        },
        "body": body,
        "isBase64Encoded": false
    });
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

async fn send(app: &App, event: Request<lambda_http::Body>) -> (u16, Value) {
    let answer = app.router.clone().oneshot(event).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn events_of_api_gateway_are_requests_like_any_other() {
    let app = App::start().await;
    let headers = json!({ "authorization": format!("Bearer {}", app.issuer.token("alice")), "content-type": "application/json" });
    for name in ["a", "b"] {
        let body = wish(name).to_string();
        let (status, created) = send(&app, event("POST", "/v1/instances", "", &headers, Some(&body))).await;
        assert_eq!(status, 202, "{created}");
    }
    let (status, list) = send(&app, event("GET", "/v1/instances", "limit=1", &headers, None)).await;
    assert_eq!((status, list["instances"].as_array().map(Vec::len)), (200, Some(1)));
    let (status, problem) = send(&app, event("GET", "/v1/nowhere", "", &headers, None)).await;
    assert_eq!((status, &problem["type"]), (404, &json!("https://rockpool.dev/problems/not-found")));
}

#[tokio::test]
async fn an_incomplete_environment_is_refused_naming_all_that_is_missing() {
    let Err(error) = crate::from_environment(&|_| None).get().await else { panic!("nothing was set") };
    for name in
        ["ROCKPOOL_TABLE", "ROCKPOOL_OIDC_ISSUER", "ROCKPOOL_ACCESS_KEY_SECRET", "ROCKPOOL_CURSOR_KEY_SECRET", "ROCKPOOL_FLOW_QUEUE_URL"]
    {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn while_the_settings_are_incomplete_every_request_is_answered_that_it_is_not_available() {
    let service = crate::service(crate::from_environment(&|_| None));
    for (method, path) in [("GET", "/"), ("POST", "/v1/instances"), ("GET", "/v1/nowhere")] {
        let answer = service.clone().oneshot(event(method, path, "", &json!({}), None)).await.unwrap();
        assert_eq!(answer.status(), 503, "{method} {path}");
        assert!(answer.headers().contains_key("retry-after") && answer.headers().contains_key("x-request-id"), "{:?}", answer.headers());
        let problem: Value = serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(problem["type"], "https://rockpool.dev/problems/unavailable");
    }
}
