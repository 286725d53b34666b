//! Parameters: what `samconfig.toml` gives for each environment, and what is said of each value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shell::SettingsError;

use super::functions::{NOT_THE_TEMPLATES, folder, read_settings_of};
use super::{Template, text};

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];

fn given(config: &toml::Table, environment: &str) -> BTreeMap<String, String> {
    let overrides = config[environment]["deploy"]["parameters"]["parameter_overrides"].as_array().unwrap();
    let pairs = overrides.iter().map(|pair| pair.as_str().unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_environment_gives_what_the_template_asks_for() {
    let (template, config): (_, toml::Table) = (Template::read(), text("samconfig.toml").parse().unwrap());
    let parameters = template.0["Parameters"].as_object().unwrap();
    let asked = parameters.iter().filter(|(_, parameter)| parameter.get("Default").is_none()).map(|(name, _)| name);
    let asked: BTreeSet<_> = asked.cloned().collect();
    let environments: BTreeSet<_> = config.keys().map(String::as_str).filter(|name| *name != "version").collect();
    assert_eq!(environments, BTreeSet::from(ENVIRONMENTS));
    for environment in ENVIRONMENTS {
        let given: BTreeSet<_> = given(&config, environment).into_keys().collect();
        assert!(given.is_superset(&asked), "{environment} lacks {:?}", &asked - &given);
        let known: BTreeSet<_> = parameters.keys().cloned().collect();
        assert!(given.is_subset(&known), "{environment} gives {:?}, which nobody asks for", &given - &known);
        assert_eq!(config[environment]["build"]["parameters"]["template_file"].as_str(), Some("infra/template.yaml"));
        // What is deployed is what was built; its template lies elsewhere.
        assert!(config[environment]["deploy"]["parameters"].get("template_file").is_none());
    }
}

/// Whose tokens are taken has to be said somehow: with neither an audience nor parties, every client of the issuer may call. The template
/// refuses that before anything is deployed; an environment as it stands here is none that it refuses.
#[test]
fn no_environment_takes_the_tokens_of_every_client() {
    let (template, config): (_, toml::Table) = (Template::read(), text("samconfig.toml").parse().unwrap());
    let is_given = |name: &str| serde_json::json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": name }, ""] }] });
    let rule = &template.0["Rules"]["SomebodysTokens"]["Assertions"][0];
    assert_eq!(rule["Assert"], serde_json::json!({ "Fn::Or": [is_given("OidcAudience"), is_given("OidcParties")] }));
    for environment in ENVIRONMENTS {
        let given = given(&config, environment);
        let said = ["OidcAudience", "OidcParties"].iter().any(|name| given.get(*name).is_some_and(|value| !value.is_empty()));
        assert!(said, "{environment} takes the tokens of every client of its issuer");
    }
}

/// Two environments of one account, or of one organisation at Fly.io, never meet.
#[test]
fn no_two_environments_have_the_same_name() {
    let config: toml::Table = text("samconfig.toml").parse().unwrap();
    for name in ["stack_name", "s3_prefix"] {
        let names: BTreeSet<_> = ENVIRONMENTS.iter().map(|one| config[*one]["deploy"]["parameters"][name].as_str().unwrap()).collect();
        assert_eq!(names.len(), ENVIRONMENTS.len(), "{name}");
    }
    let deployments: BTreeSet<_> = ENVIRONMENTS.iter().map(|one| given(&config, one)["Deployment"].clone()).collect();
    assert_eq!(deployments.len(), ENVIRONMENTS.len());
}

/// A value that the template takes and the settings refuse would be deployed and answer 503.
#[test]
fn every_environments_settings_are_taken_by_the_functions() {
    let config: toml::Table = text("samconfig.toml").parse().unwrap();
    let template = Template::read();
    for environment in ENVIRONMENTS {
        let given = given(&config, environment);
        for (id, function) in template.functions() {
            let read = settings_of(&template, &given, function);
            assert!(read.is_ok(), "{environment}, {id}: {}", read.err().unwrap());
        }
    }
}

#[test]
fn an_address_or_a_header_for_traces_that_is_malformed_is_refused_by_every_function() {
    let config: toml::Table = text("samconfig.toml").parse().unwrap();
    let template = Template::read();
    let mut given = given(&config, "production");
    for (name, value) in [("TraceAddress", "collector:4318"), ("TraceHeaders", "api-key")] {
        given.insert(name.to_owned(), value.to_owned());
    }
    for (id, function) in template.functions() {
        let problems = settings_of(&template, &given, function).err().map(|error| error.problems).unwrap_or_default();
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"] {
            assert!(problems.iter().any(|problem| problem.contains(name)), "{id} takes a malformed {name}: {problems:?}");
        }
    }
}

/// Reads a function's settings as it would with these parameters.
fn settings_of(template: &Template, given: &BTreeMap<String, String>, function: &Value) -> Result<(), SettingsError> {
    let everywhere = template.0.pointer("/Globals/Function/Environment/Variables").unwrap();
    let own = &function["Properties"]["Environment"]["Variables"];
    let value = |name: &str| -> Option<String> {
        if name.starts_with(NOT_THE_TEMPLATES) {
            return Some("set-by-lambda".to_owned());
        }
        own.get(name).or_else(|| everywhere.get(name)).map(|value| resolved(template, given, value))
    };
    read_settings_of(folder(function), &value)
}

/// What a variable has in an environment: parameters are given or have their defaults, resources are named by what `Ref` gives of them.
fn resolved(template: &Template, given: &BTreeMap<String, String>, value: &Value) -> String {
    let reference = |name: &str| -> String {
        let parameter = template.0["Parameters"].get(name).map(|parameter| &parameter["Default"]);
        match (parameter, template.0["Resources"][name]["Type"].as_str()) {
            (Some(default), _) => given.get(name).cloned().or(default.as_str().map(str::to_owned)).unwrap(),
            (None, Some("AWS::SQS::Queue")) => format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"),
            (None, Some("AWS::SecretsManager::Secret")) => format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}"),
            (None, other) => panic!("say here what a variable gets of {name}, which is {other:?}"),
        }
    };
    match (value.as_str(), value["Ref"].as_str(), value["Fn::Sub"].as_str()) {
        (Some(plain), ..) => plain.to_owned(),
        (_, Some(name), _) => reference(name),
        (.., Some(pattern)) => {
            let mut parts = pattern.split("${");
            let first = parts.next().unwrap().to_owned();
            parts.fold(first, |text, part| {
                let (name, rest) = part.split_once('}').unwrap();
                text + &reference(name) + rest
            })
        }
        _ => panic!("{value} is written in a way that is not known here"),
    }
}

/// Whoever deploys finds where each value comes from.
#[test]
fn every_parameter_and_output_is_explained() {
    let (template, guide) = (Template::read(), text("docs/operating.md"));
    for kind in ["Parameters", "Outputs"] {
        for (name, entry) in template.0[kind].as_object().unwrap() {
            assert!(entry["Description"].as_str().is_some_and(|text| text.len() > 5), "{name} has no description");
            assert!(guide.contains(&format!("`{name}`")), "docs/operating.md does not say what {name} is");
        }
    }
}
