//! The services on a socket, for somebody who is in another process.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use aws_sim::{AwsSim, Options, Used, Verdict};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

struct Bench {
    sim: AwsSim,
    address: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

async fn start() -> Bench {
    let sim = AwsSim::open(Options::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(sim.clone().serve(listener));
    Bench { sim, address, http: Client::builder(TokioExecutor::new()).build_http() }
}

impl Bench {
    async fn call(&self, target: &str, body: &'static str) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let signature = "AWS4-HMAC-SHA256 Credential=AKIDELSEWHERE/20261123/eu-central-1/secretsmanager/aws4_request, Signature=00";
        let request = Request::post(&self.address).header("x-amz-target", target).header("authorization", signature);
        self.http.request(request.body(body.into()).unwrap()).await
    }

    async fn secret(&self) -> Option<String> {
        self.sim.secrets_manager().get_secret_value().secret_id("a").send().await.ok()?.secret_string
    }
}

#[tokio::test]
async fn both_ways_lead_to_the_same_services_and_each_caller_is_known() {
    let bench = start().await;
    let made = bench.call("secretsmanager.CreateSecret", r#"{"Name":"a","SecretString":"hush"}"#).await.unwrap();
    assert_eq!(made.status(), 200);
    assert_eq!(bench.secret().await.as_deref(), Some("hush"));
    let used: Vec<_> = bench.sim.used().into_iter().map(|Used { caller, action, resource }| (caller, action, resource)).collect();
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-??????";
    let expected = [("AKIDELSEWHERE", "secretsmanager:CreateSecret"), ("AKIDROCKPOOLSIMULATED", "secretsmanager:GetSecretValue")];
    assert_eq!(used, expected.map(|(caller, action)| (caller.to_owned(), action.to_owned(), secret.to_owned())));
}

#[tokio::test]
async fn what_is_refused_is_answered_as_aws_does() {
    let bench = start().await;
    for (target, code) in [("secretsmanager.GetSecretValue", "ResourceNotFoundException"), ("Nowhere.Do", "UnknownOperationException")] {
        let refused = bench.call(target, r#"{"SecretId":"a"}"#).await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["content-type"]), (400, &"application/x-amz-json-1.0".parse().unwrap()));
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(code), "{body:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_a_connection_that_ends_and_only_for_the_caller_that_it_is_meant_for() {
    let bench = start().await;
    bench.sim.set_fault(|call| if call.caller == "AKIDELSEWHERE" { Verdict::LoseAnswer } else { Verdict::Pass });
    assert!(bench.call("secretsmanager.CreateSecret", r#"{"Name":"a","SecretString":"hush"}"#).await.is_err());
    assert_eq!(bench.secret().await.as_deref(), Some("hush"), "it took effect");
}
