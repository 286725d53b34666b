use std::collections::BTreeSet;

use super::*;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn document() -> Value {
    serde_json::to_value(crate::openapi()).unwrap()
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |path: &String, item: &Value| -> Vec<_> {
        METHODS.iter().filter_map(|method| Some(((*method).to_owned(), path.clone(), item.get(method)?.clone()))).collect()
    };
    paths.iter().flat_map(|(path, item)| of(path, item)).collect()
}

#[tokio::test]
async fn the_description_is_served_and_is_our_own() {
    let app = App::start().await;
    let answer = app.send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json(), document());
    assert_eq!(
        (answer.at("/openapi"), answer.at("/info/title"), answer.at("/info/version")),
        ("3.1.0".into(), "Rockpool".into(), "1".into())
    );
}

#[test]
fn every_route_is_described() {
    let all: Vec<String> = operations(&document())
        .into_iter()
        .map(|(method, path, operation)| {
            let permission = operation["security"][0]["bearer"][0].as_str().unwrap_or("everybody").to_owned();
            format!("{} {path} {} {permission}", method.to_uppercase(), operation["operationId"].as_str().unwrap())
        })
        .collect();
    insta::assert_json_snapshot!(all, @r#"
    [
      "GET /v1/health get_health everybody",
      "GET /v1/instances list_instances instances:read",
      "POST /v1/instances create_instance instances:write",
      "GET /v1/instances/{id} get_instance instances:read",
      "DELETE /v1/instances/{id} delete_instance instances:write",
      "PATCH /v1/instances/{id} patch_instance instances:write",
      "POST /v1/instances/{id}/access access_instance instances:access",
      "GET /v1/instances/{id}/operations list_operations operations:read",
      "POST /v1/instances/{id}/restart restart_instance instances:write",
      "POST /v1/instances/{id}/start start_instance instances:write",
      "POST /v1/instances/{id}/stop stop_instance instances:write",
      "GET /v1/operations/{id} get_operation operations:read",
      "POST /v1/operations/{id}/cancel cancel_operation operations:cancel",
      "GET /v1/plans list_plans everybody",
      "GET /v1/regions list_regions everybody"
    ]
    "#);
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_described_in_vain() {
    let document = document();
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    collect(&document, &mut used);
    let defined: BTreeSet<String> =
        document["components"]["schemas"].as_object().unwrap().keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(used, defined);
}

#[tokio::test]
async fn what_is_said_to_need_a_token_does_and_the_rest_does_not() {
    let app = App::start().await;
    let (instance, operation) = nobody();
    for (method, path, described) in operations(&document()) {
        let id = if path.starts_with("/v1/operations") { &operation } else { &instance };
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(path.replace("{id}", id));
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        let closed = described.get("security").is_some();
        assert_eq!(answer.status == 401, closed, "{method} {path}: {}", answer.status);
        assert!(closed || answer.status == 200, "{method} {path}: {}", answer.text);
    }
}

#[test]
fn whatever_changes_something_says_what_becomes_of_an_idempotency_key() {
    for (method, path, operation) in operations(&document()).into_iter().filter(|(method, ..)| method != "get") {
        let takes_one =
            operation["parameters"].as_array().unwrap_or(&Vec::new()).iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        let description = operation["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let says_no = description.contains("An `Idempotency-Key` is not read here");
        assert!(takes_one != says_no, "{method} {path}");
    }
}

/// Answers have the fields that the description promises, and no others.
#[tokio::test]
async fn answers_look_as_described() {
    let app = App::start().await;
    let id = app.running("a").await;
    let stop = app.post(&format!("/v1/instances/{id}/stop")).await.json();
    let document = document();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let described = |name: &str| fields(&document["components"]["schemas"][name]["properties"]);
    assert_eq!(fields(&stop), described("Accepted"));
    assert_eq!(fields(&stop["instance"]), described("Instance"));
    assert_eq!(fields(&stop["operation"]), described("Operation"));
    assert_eq!(fields(&app.post(&format!("/v1/instances/{id}/access")).await.json()), described("Access"));
    assert_eq!(fields(&app.get("/v1/instances").await.json()), described("InstanceList"));
    assert_eq!(fields(&app.get("/v1/plans").await.json()["plans"][0]), described("Plan"));
    let problem = app.get("/v1/instances/x").await.json();
    assert!(described("Problem").is_superset(&fields(&problem)), "{problem}");
    let states = &document["components"]["schemas"]["Instance"]["properties"]["state"]["enum"];
    assert_eq!(states, &json!(State::ALL.map(State::as_str)));
}
