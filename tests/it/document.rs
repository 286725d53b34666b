//! The API's description: well-formed, committed, and kept by every answer that the tests of this package see.

use http::Request;
use http_body_util::{BodyExt, Full};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::Stage;

/// Where the description is committed, for those who generate clients from it.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// The description, as something that answers are held against.
pub(crate) struct Description(Value);

impl Description {
    pub(crate) fn read() -> Self {
        Self(serde_json::to_value(api::openapi()).unwrap())
    }

    /// Holds an answer against what is promised for its method, path and status.
    pub(crate) fn check(&self, method: &str, path: &str, status: u16, body: &Value) {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            let (ours, theirs) = (path.split('/'), template.split('/'));
            ours.clone().count() == theirs.clone().count()
                && ours.zip(theirs).all(|(ours, theirs)| ours == theirs || theirs.starts_with('{'))
        };
        let paths = self.0["paths"].as_object().unwrap();
        let Some((_, item)) = paths.iter().find(|(template, _)| fits(template)) else { panic!("{path} is not described") };
        let answers = &item[method.to_lowercase()]["responses"];
        let answer = answers.get(status.to_string()).or_else(|| answers.get("default"));
        let answer = answer.unwrap_or_else(|| panic!("{method} {path} is not said to answer {status}: {body}"));
        let Some(content) = answer["content"].as_object().and_then(|content| content.values().next()) else {
            assert!(body.is_null(), "{method} {path} is not said to answer {status} with a body: {body}");
            return;
        };
        let faults: Vec<_> = self.validator(&content["schema"]).iter_errors(body).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{method} {path} {status}: {faults:?}\n{body:#}");
    }

    /// A validator of a schema of the description, with the others that it refers to.
    fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({ "allOf": [schema], "components": self.0["components"] });
        jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).build(&whole).unwrap()
    }
}

/// A change of the API is a change of this file, seen by whoever reviews it. `UPDATE_DESCRIPTION=1 cargo test -p it` writes it anew.
#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let served = format!("{}\n", serde_json::to_string_pretty(&Description::read().0).unwrap());
    if std::env::var_os("UPDATE_DESCRIPTION").is_some() {
        std::fs::write(COMMITTED, &served).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    assert!(committed == served, "docs/openapi.json is not what the API says; write it anew with `UPDATE_DESCRIPTION=1 cargo test -p it`");
}

/// OpenAPI 3.1 schemas are JSON Schemas of the 2020-12 draft: <https://spec.openapis.org/oas/v3.1.1.html#schema-object>.
#[test]
fn every_schema_of_the_description_is_a_schema() {
    let description = Description::read();
    assert_eq!(description.0["openapi"], "3.1.0");
    let schemas = description.0["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 10);
    for (name, schema) in schemas {
        let faults: Vec<_> = jsonschema::draft202012::meta::validator().iter_errors(schema).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        description.validator(&json!({ "$ref": format!("#/components/schemas/{name}") }));
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let stage = Stage::new().await;
    let request = Request::get("/openapi.json").body(Full::new(bytes::Bytes::new())).unwrap();
    let answer = api::router(stage.api.clone()).oneshot(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), Description::read().0);
}

#[tokio::test]
async fn answers_to_bad_requests_are_described_too() {
    let stage = Stage::new().await;
    let (id, _) = stage.create("mine").await;
    let nobody = domain::InstanceId::generate();
    let wish = |name: &str, plan: &str| Some(json!({ "name": name, "plan": plan, "region": "fra" }));
    let wrong = [
        ("POST", "/v1/instances".to_owned(), wish("mine", "team"), 409),
        ("POST", "/v1/instances".to_owned(), wish("-", "team"), 422),
        ("POST", "/v1/instances".to_owned(), wish("other", "gold"), 422),
        ("POST", "/v1/instances".to_owned(), None, 400),
        ("GET", "/v1/instances?cursor=x".to_owned(), None, 400),
        ("GET", format!("/v1/instances/{nobody}"), None, 404),
        ("POST", format!("/v1/instances/{id}/restart"), None, 409),
        ("POST", format!("/v1/instances/{id}/access"), None, 409),
        ("PATCH", format!("/v1/instances/{id}"), Some(json!({ "colour": "red" })), 400),
    ];
    for (method, path, body, expected) in wrong {
        let answer = stage.call(method, &path, body, None).await;
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.json);
    }
}
