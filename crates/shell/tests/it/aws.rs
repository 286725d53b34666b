use std::collections::BTreeMap;

use shell::{Aws, AwsSettings, read_settings};
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn read(variables: &[(&str, &str)]) -> Result<AwsSettings, shell::SettingsError> {
    let of_lambda = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hush-hush")];
    let variables: BTreeMap<_, _> = of_lambda.iter().chain(variables).copied().collect();
    read_settings(&|name| variables.get(name).map(|value| (*value).to_owned()), AwsSettings::read)
}

fn endpoints(variables: &[(&str, &str)]) -> [Option<String>; 3] {
    read(variables).unwrap().endpoints
}

#[test]
fn an_endpoint_of_a_service_goes_before_that_of_all() {
    let (all, one) = (Some("http://all".to_owned()), Some("http://one".to_owned()));
    assert_eq!(endpoints(&[]), [None, None, None]);
    assert_eq!(endpoints(&[("AWS_ENDPOINT_URL", "http://all")]), [all.clone(), all.clone(), all.clone()]);
    let services = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];
    for (place, service) in services.into_iter().enumerate() {
        let mut only = [None, None, None];
        only[place].clone_from(&one);
        assert_eq!(endpoints(&[(service, "http://one")]), only);
        let mut both = [all.clone(), all.clone(), all.clone()];
        both[place].clone_from(&one);
        assert_eq!(endpoints(&[("AWS_ENDPOINT_URL", "http://all"), (service, "http://one")]), both);
        assert_eq!(endpoints(&[("AWS_ENDPOINT_URL", "http://all"), (service, "")]), [all.clone(), all.clone(), all.clone()], "empty");
    }
}

#[test]
fn what_lambda_sets_is_needed_and_a_session_token_is_not() {
    let with = read(&[("AWS_SESSION_TOKEN", "session")]).unwrap();
    assert_eq!(with.credentials.session_token(), Some("session"));
    assert_eq!(read(&[]).unwrap().credentials.session_token(), None);
    let error = read(&[("AWS_REGION", ""), ("AWS_SECRET_ACCESS_KEY", "")]).expect_err("both are missing");
    assert_eq!(error.problems, ["AWS_REGION is not set", "AWS_SECRET_ACCESS_KEY is not set"]);
}

#[test]
fn credentials_are_not_in_the_debug_form() {
    let settings = read(&[]).unwrap();
    let aws = Aws::new(settings.clone(), shell::http_client().unwrap());
    let shown = format!("{settings:?} {aws:?} {:?} {:?} {:?}", aws.dynamodb(), aws.sqs(), aws.secrets_manager());
    assert!(!shown.contains("hush-hush"), "{shown}");
}

#[tokio::test]
async fn each_client_speaks_to_its_own_endpoint() {
    let server = MockServer::start().await;
    for target in ["DynamoDB_20120810.ListTables", "AmazonSQS.ListQueues", "secretsmanager.ListSecrets"] {
        let answer = ResponseTemplate::new(200).set_body_raw("{}", "application/x-amz-json-1.0");
        Mock::given(header("x-amz-target", target)).respond_with(answer).expect(1).mount(&server).await;
    }
    let strangers = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(400)).expect(0).mount(&strangers).await;
    let (ours, theirs) = (server.uri(), strangers.uri());
    let http = shell::http_client().unwrap();
    let aws = |service: &str| {
        let settings = read(&[("AWS_ENDPOINT_URL", &theirs), (&format!("AWS_ENDPOINT_URL_{service}"), &ours)]).unwrap();
        Aws::new(settings, http.clone())
    };
    aws("DYNAMODB").dynamodb().list_tables().send().await.unwrap();
    aws("SQS").sqs().list_queues().send().await.unwrap();
    aws("SECRETS_MANAGER").secrets_manager().list_secrets().send().await.unwrap();
}

#[tokio::test]
async fn a_call_whose_connection_ended_without_an_answer_is_made_again() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let calls = tokio::spawn(async move {
        for lost in [true, true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"POST / HTTP/1.1"));
            if !lost {
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 17\r\n\r\n{\"TableNames\":[]}";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let aws = Aws::new(read(&[("AWS_ENDPOINT_URL", &endpoint)]).unwrap(), shell::http_client().unwrap());
    assert_eq!(aws.dynamodb().list_tables().send().await.unwrap().table_names(), Vec::<String>::new());
    calls.await.unwrap();
}
