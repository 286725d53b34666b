//! The life of an instance, each of whose steps is done by a built function.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shipped::Platform;

use crate::Check;
use crate::collector::Collector;
use crate::customer::Customer;

/// The trace in which the caller asked for the instance.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The caller's own place in it.
const CALLER: &str = "00f067aa0ba902b7";

pub(crate) async fn an_instance_lives(check: &mut Check) {
    let collector = Collector::start().await;
    let (parameters, key) = collector.parameters();
    check.secrets.push(key);
    let platform = check.platform_with(Some(Duration::from_secs(5)), parameters).await;
    let customer = Customer::new(&platform);
    let created = customer.create_in_trace("demo", &format!("00-{TRACE}-{CALLER}-01")).await;
    let instance = created["instance"]["id"].as_str().unwrap();
    let operation = created["operation"]["id"].as_str().unwrap();
    let ended = customer.ended(operation).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    its_trace_leads_to_the_provider(&platform);
    the_lines_about_it_name_it(&platform, instance, operation);
    remember_its_secrets(check, &platform, instance).await;
    let path = format!("/v1/instances/{instance}");
    let running = customer.settled(instance, "running").await;
    let health = format!("{}/health", running["address"].as_str().unwrap());
    assert_eq!(shell::http_client().unwrap().get(health).send().await.unwrap().status(), StatusCode::OK);

    for scope in ["process", "machine"] {
        let answer = customer.ask(Method::POST, &format!("{path}/restart"), Some(json!({ "scope": scope })), scope).await;
        let ended = customer.ended(answer["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "succeeded", "restart of the {scope}: {ended}");
    }
    customer.ask(Method::POST, &format!("{path}/stop"), None, "stop").await;
    customer.settled(instance, "stopped").await;
    customer.ask(Method::POST, &format!("{path}/start"), None, "start").await;
    customer.settled(instance, "running").await;
    let renamed = customer.ask(Method::PATCH, &path, Some(json!({ "name": "other" })), "rename").await;
    assert_eq!(renamed["name"], "other");
    remember_its_access(check, &customer, &path).await;
    let (status, list) = customer.get("/v1/instances?limit=1").await;
    assert_eq!((status, list["instances"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
    let (status, _) = customer.get(&format!("{path}/operations")).await;
    assert_eq!(status, StatusCode::OK);

    let deleted = customer.ask(Method::DELETE, &path, None, "delete").await;
    let ended = customer.ended(deleted["operation"]["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(customer.get(&path).await.0, StatusCode::NOT_FOUND);
    customer
        .eventually("nobody was told that it is ready", async || {
            platform.outbox.notices().iter().any(|notice| notice.event == "instance_ready")
        })
        .await;
    its_trace_leads_to_the_notice(&customer, &platform, instance).await;
    its_trace_is_told_to_the_collector(&customer, &collector).await;
    assert!(platform.fly.inventory().is_empty(), "something of it is left at the provider");
    check.end(platform).await;
}

/// An instance is created and deleted while the functions log as much as they can be told to: the search for secrets in what they write
/// finds what a level below the usual one would tell.
pub(crate) async fn traced(check: &mut Check) {
    let platform = check.platform_with(Some(Duration::from_secs(5)), vec![("LogLevel", "trace".to_owned())]).await;
    let customer = Customer::new(&platform);
    let created = customer.create("demo").await;
    let instance = created["instance"]["id"].as_str().unwrap();
    customer.settled(instance, "running").await;
    remember_its_secrets(check, &platform, instance).await;
    let path = format!("/v1/instances/{instance}");
    remember_its_access(check, &customer, &path).await;
    let deleted = customer.ask(Method::DELETE, &path, None, "delete").await;
    let ended = customer.ended(deleted["operation"]["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let runner = platform.function("flow-runner").output();
    assert!(runner.iter().any(|line| line.contains("\"TRACE\"")), "nothing is logged at trace");
    check.end(platform).await;
}

/// The lines that a function logged, each with the fields of all spans that it stands in.
fn lines(platform: &Platform, function: &str) -> Vec<Value> {
    let parsed = platform.function(function).output().into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let flat = parsed.map(|line| {
        let spans = line["spans"].as_array().into_iter().flatten();
        let objects = spans.chain([&line["fields"]]).filter_map(Value::as_object);
        objects.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    });
    flat.map(Value::Object).collect()
}

/// From the caller through the API and a queue to the runner, and with each of its calls to the provider.
fn its_trace_leads_to_the_provider(platform: &Platform) {
    for function in ["api", "flow-runner"] {
        assert!(lines(platform, function).iter().any(|line| line["trace_id"] == TRACE), "{function} logged nothing in the caller's trace");
    }
    let calls = platform.fly.calls();
    let made = calls.iter().find(|call| call.action == "create_machine").unwrap();
    let theirs = made.traceparent.as_deref().and_then(|context| context.strip_prefix(&format!("00-{TRACE}-")).map(str::to_owned));
    assert!(theirs.is_some_and(|rest| rest != "00f067aa0ba902b7-01"), "the provider was not told: {made:?}");
}

/// And through a second queue to whoever takes the notice. The line is written after the receiver has it.
async fn its_trace_leads_to_the_notice(customer: &Customer<'_>, platform: &Platform, instance: &str) {
    let said = |line: &Value| line["trace_id"] == TRACE && line["event"] == "instance_ready" && line["instance"] == instance;
    customer.eventually("the notifier logged nothing in the caller's trace", async || lines(platform, "notifier").iter().any(said)).await;
}

/// By each function that had a part in it, as something that the caller had caused.
async fn its_trace_is_told_to_the_collector(customer: &Customer<'_>, collector: &Collector) {
    let expected = BTreeSet::from(["api", "flow-runner", "notifier"].map(|function| format!("rockpool-local-{function}")));
    let services = || collector.told(TRACE).into_iter().map(|span| span.service).collect::<BTreeSet<_>>();
    customer.eventually("a function told no span of the caller's trace", async || services() == expected).await;
    let told = collector.told(TRACE);
    assert!(told.iter().any(|span| span.service == "rockpool-local-api" && span.parent == CALLER), "{told:?}");
}

/// Whoever searches for an instance finds it by the same names in the API's lines and in the runner's.
fn the_lines_about_it_name_it(platform: &Platform, instance: &str, operation: &str) {
    let api = lines(platform, "api");
    let asked = api.iter().find(|line| line["message"] == "answered" && line["status"] == 202).unwrap();
    assert!(asked["request_id"].is_string() && asked["organisation"].is_string(), "{asked}");
    assert_eq!((&asked["instance"], &asked["operation"]), (&json!(instance), &json!(operation)), "{asked}");
    let looked = api.iter().find(|line| line["route"] == "/v1/operations/{id}").unwrap();
    assert_eq!(looked["operation"], operation, "{looked}");
    let runner = lines(platform, "flow-runner");
    let ended = runner.iter().find(|line| line["message"] == "ended").unwrap();
    assert_eq!(
        ["organisation", "instance", "operation", "run"].map(|name| ended[name].clone()),
        [
            asked["organisation"].clone(),
            json!(instance),
            json!(operation),
            json!(format!("{}.{operation}", asked["organisation"].as_str().unwrap()))
        ],
        "{ended}"
    );
    let said = runner.iter().find(|line| line["message"] == "a run ended").unwrap();
    assert_eq!((&said["organisation"], &said["operation"]), (&asked["organisation"], &json!(operation)), "{said}");
}

/// What the vault holds for the instance, which is none of the logs' business.
async fn remember_its_secrets(check: &mut Check, platform: &Platform, instance: &str) {
    let name = format!("rockpool/local/instances/{instance}");
    let answer = platform.cloud.aws.secrets_manager().get_secret_value().secret_id(name).send().await.unwrap();
    let values: Value = serde_json::from_str(&answer.secret_string.unwrap()).unwrap();
    check.secrets.extend(values.as_object().unwrap().values().map(|value| value.as_str().unwrap().to_owned()));
}

/// What the API gives whoever wants to enter it.
async fn remember_its_access(check: &mut Check, customer: &Customer<'_>, path: &str) {
    let answer = customer.ask(Method::POST, &format!("{path}/access"), None, "access").await;
    let (token, link) = (answer["token"].as_str().unwrap(), answer["link"].as_str().unwrap());
    check.secrets.extend([token.to_owned(), link.rsplit_once("token=").unwrap().1.to_owned()]);
}
