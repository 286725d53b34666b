//! Parameters: what `samconfig.toml` gives for each environment, and what is said of each value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

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

/// A name that the template takes and the settings refuse would be deployed and answer 503.
#[test]
fn every_environments_settings_are_taken_by_the_functions() {
    let config: toml::Table = text("samconfig.toml").parse().unwrap();
    let template = Template::read();
    for environment in ENVIRONMENTS {
        let given = given(&config, environment);
        let variables = template.0.pointer("/Globals/Function/Environment/Variables").unwrap();
        let value = |name: &str| -> Option<String> {
            let parameter = match &variables[name] {
                Value::Object(one) => one.get("Ref").and_then(Value::as_str)?,
                _ => return None,
            };
            let default = template.0["Parameters"][parameter]["Default"].as_str().map(str::to_owned);
            given.get(parameter).cloned().or(default)
        };
        let read = shell::read_settings(&value, shell::DeploymentSettings::read);
        assert!(read.is_ok(), "{environment}: {}", read.err().unwrap());
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
