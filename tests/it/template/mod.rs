//! The deployment's template against the code that it deploys: a template that says something else than the code fails here, and not at
//! the first deployment.
//!
//! What CloudFormation thinks of it, and what its permissions come to, is asked by `.ci/template`.

mod alarms;
mod data;
mod functions;
mod parameters;
mod queues;
mod reading;
mod roles;
mod rollout;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The template, its short intrinsic functions written out: `!Ref X` is `{"Ref": "X"}`, `!GetAtt X.Arn` is `{"Fn::GetAtt": ["X", "Arn"]}`.
pub(crate) struct Template(Value);

impl Template {
    fn read() -> Self {
        Self(reading::value(&text("infra/template.yaml")))
    }

    /// Resources of a type, by their logical identifiers.
    fn all(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap();
        resources.iter().filter(|(_, resource)| resource["Type"] == kind).map(|(id, resource)| (id.as_str(), resource)).collect()
    }

    fn functions(&self) -> BTreeMap<&str, &Value> {
        self.all("AWS::Serverless::Function")
    }

    /// A property of a resource.
    fn property(&self, id: &str, pointer: &str) -> &Value {
        let found = self.0["Resources"][id]["Properties"].pointer(pointer);
        found.unwrap_or_else(|| panic!("{id} has no {pointer}"))
    }

    /// A property that is a whole number.
    fn number(&self, id: &str, pointer: &str) -> u64 {
        self.property(id, pointer).as_u64().unwrap_or_else(|| panic!("{pointer} of {id} is no number"))
    }
}

/// The resource that a reference or an attribute belongs to.
fn referred(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// Events of a type of a function, by name.
fn events<'t>(function: &'t Value, kind: &'t str) -> impl Iterator<Item = (&'t str, &'t Value)> {
    let events = function["Properties"]["Events"].as_object().into_iter().flatten();
    events.filter(move |(_, event)| event["Type"] == kind).map(|(name, event)| (name.as_str(), &event["Properties"]))
}

/// The function behind a queue and how it is connected.
fn consumer<'t>(template: &'t Template, queue: &str) -> (&'t str, &'t Value) {
    let functions = template.functions();
    let mut found = functions.iter().flat_map(|(id, function)| {
        events(function, "SQS").filter(|(_, event)| referred(&event["Queue"]) == Some(queue)).map(|(_, event)| (*id, event))
    });
    let first = found.next().unwrap_or_else(|| panic!("nothing works on {queue}"));
    assert!(found.next().is_none(), "{queue} has more than one function");
    first
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
