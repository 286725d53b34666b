//! The emulator, with a function that does what its events say.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use lambda_sim::{Function, InvokeError, Settings, http_api, measure_invocations};
use tower::ServiceExt;

fn settings(subject: &str) -> Settings {
    Settings {
        name: "subject".to_owned(),
        bootstrap: env!("CARGO_BIN_EXE_lambda-subject").into(),
        memory_mb: 256,
        timeout: Duration::from_secs(30),
        concurrency: 2,
        environment: BTreeMap::from([("SUBJECT".to_owned(), subject.to_owned())]),
    }
}

fn function() -> Function {
    Function::new(settings(""))
}

async fn text(function: &Function, event: &'static str) -> String {
    String::from_utf8(function.invoke(event).await.unwrap().to_vec()).unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The letter of a process's state, if there is such a process.
fn state(process: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().next().map(str::to_owned)
}

#[tokio::test]
async fn one_environment_serves_one_event_after_the_other_and_is_frozen_in_between() {
    let function = function();
    let process = text(&function, "process").await;
    until("it is not frozen", || state(&process).as_deref() == Some("T")).await;
    assert_eq!(text(&function, "process").await, process);
    assert_eq!(function.initialisations().len(), 1);
    let start = function.initialisations()[0];
    assert!(start.took < Duration::from_secs(10) && start.peak_memory_kib > 0 && start.anonymous_memory_kib > 0, "{start:?}");
    until("its log is lost", || function.output().iter().filter(|line| *line == "a line of its log").count() == 2).await;
    function.end();
    until("it is still there", || state(&process).is_none()).await;
    assert_eq!(function.lost(), 0);
}

#[tokio::test]
async fn a_function_sees_what_lambda_and_its_settings_say_and_nothing_of_this_process() {
    let function = function();
    let names = text(&function, "environment").await;
    let expected = [
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LANG PATH SUBJECT TZ _HANDLER",
    ];
    assert_eq!(names, expected.join(" "));
    let headers = text(&function, "headers").await;
    let [deadline, arn, trace] = headers.split(' ').collect::<Vec<_>>()[..] else { panic!("{headers}") };
    let left = deadline.parse::<i64>().unwrap() - jiff::Timestamp::now().as_millisecond();
    assert!((20_000..=30_000).contains(&left), "{left} ms are left of 30 s");
    assert!(arn.ends_with(":function:subject") && trace.starts_with("root=1-") && trace.contains(";parent="), "{headers}");
}

#[tokio::test]
async fn an_error_that_is_reported_leaves_the_environment_and_one_that_ends_it_does_not() {
    let function = function();
    let Err(InvokeError::Reported(reported)) = function.invoke("report").await else { panic!("it reports") };
    assert_eq!((reported.kind.as_str(), reported.message.as_str()), ("Trouble", "it is a test"));
    assert_eq!((function.initialisations().len(), function.lost()), (1, 0));

    let exited = function.invoke("exit").await;
    assert!(matches!(&exited, Err(InvokeError::Exited(status)) if status.contains('3')), "{exited:?}");
    assert_eq!(text(&function, "again").await, "again");
    assert_eq!((function.initialisations().len(), function.lost()), (2, 1));
}

#[tokio::test]
async fn an_event_that_takes_too_long_costs_the_environment() {
    let function = Function::new(Settings { timeout: Duration::from_millis(300), ..settings("") });
    let process = text(&function, "process").await;
    assert_eq!(function.invoke("hang").await, Err(InvokeError::TimedOut));
    until("it is still there", || state(&process).is_none()).await;
    assert_eq!(text(&function, "again").await, "again");
}

#[tokio::test]
async fn a_process_is_killed_while_it_works_and_only_then() {
    let function = function();
    assert_eq!(function.kill(0), None, "nobody works");
    let hanging = tokio::spawn({
        let function = function.clone();
        async move { function.invoke("hang").await }
    });
    until("nobody works", || function.under_way().len() == 1 && function.initialisations().len() == 1).await;
    assert_eq!(function.kill(17).as_deref(), Some(&b"hang"[..]));
    assert_eq!(hanging.await.unwrap(), Err(InvokeError::Killed));
    assert_eq!((function.under_way().len(), function.lost()), (0, 0));
}

#[tokio::test]
async fn as_many_work_at_once_as_may_and_the_next_one_waits() {
    let function = function();
    let invoke = |event: &'static str| {
        let function = function.clone();
        tokio::spawn(async move { function.invoke(event).await })
    };
    let hanging = [invoke("hang"), invoke("hang")];
    until("the two do not work at the same time", || function.initialisations().len() == 2).await;
    let third = invoke("third");
    assert!(function.kill(0).is_some());
    assert_eq!(third.await.unwrap().as_deref(), Ok(&b"third"[..]));
    function.end();
    for one in hanging {
        assert_eq!(one.await.unwrap(), Err(InvokeError::Killed));
    }
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let Err(InvokeError::Init(why)) = Function::new(settings("refuses")).invoke("x").await else { panic!("it refuses") };
    assert_eq!(why.kind, "NoSettings");
    let exited = Function::new(settings("exits")).invoke("x").await;
    assert!(matches!(&exited, Err(InvokeError::Exited(status)) if status.contains('7')), "{exited:?}");
    let missing = Function::new(Settings { bootstrap: "/nowhere/bootstrap".into(), ..settings("") }).invoke("x").await;
    assert!(matches!(missing, Err(InvokeError::NotStarted(_))), "{missing:?}");
}

#[tokio::test]
async fn an_invocations_processor_time_is_that_of_its_own_work() {
    let events = ["work", "idle"].map(|event| event.into());
    let [work, idle] = &measure_invocations(&settings(""), &events).await.unwrap()[..] else { panic!("two events, two invocations") };
    assert_eq!((&work.answer[..], &idle.answer[..]), (&b"done"[..], &b"idle"[..]));
    // It works for a fifth of a second; on a busy machine it may get little of that.
    assert!(work.cpu > Duration::from_millis(5) && idle.cpu < work.cpu, "{:?} for the work and {:?} for none", work.cpu, idle.cpu);
}

#[tokio::test]
async fn other_settings_are_another_environment() {
    let function = function();
    let before = text(&function, "process").await;
    function.configure(|settings| drop(settings.environment.insert("MORE".to_owned(), "1".to_owned())));
    assert!(text(&function, "environment").await.contains(" MORE "));
    until("the one before is still there", || state(&before).is_none()).await;
}

#[tokio::test]
async fn calls_out_of_turn_are_refused() {
    let function = function();
    assert!(text(&function, "answers another").await.contains("400"));
    assert!(text(&function, "asks twice").await.contains("403"));
}

#[tokio::test]
async fn a_request_is_an_event_of_an_http_api_and_the_answer_a_response() {
    let request = Request::post("/v1/things/a%20b?limit=1&limit=2")
        .header("content-type", "application/json")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("cookie", "c=d; e=f")
        .body(Body::from(r#"{"name":"é"}"#))
        .unwrap();
    let response = http_api(function()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!((&response.headers()["x-one"], &response.headers()["set-cookie"]), (&"1".parse().unwrap(), &"a=b".parse().unwrap()));
    let event: serde_json::Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(event["version"], "2.0");
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&"/v1/things/a%20b".into(), &"limit=1&limit=2".into()));
    assert_eq!((&event["headers"]["x-many"], &event["cookies"][1]), (&"1,2".into(), &"e=f".into()));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&r#"{"name":"é"}"#.into(), &false.into()));
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
}

#[tokio::test]
async fn bytes_travel_as_base64_and_a_function_that_fails_is_a_500() {
    let api = http_api(function());
    let request = Request::put("/").header("content-type", "application/octet-stream").body(Body::from(vec![0, 255])).unwrap();
    let response = api.clone().oneshot(request).await.unwrap();
    let event: serde_json::Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"AP8=".into(), &true.into()));

    let nowhere = http_api(Function::new(settings("exits")));
    let response = nowhere.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
