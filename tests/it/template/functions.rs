//! Functions: their crates, their settings, their triggers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;
use serde_json::{Value, json};
use shell::{Environment, Reader, SettingsError, read_settings};

use super::{Template, events, referred, root};

/// Variables that are there without the template: Lambda's own, and those that send the SDK elsewhere, which in the cloud nobody does.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub(super) const NOT_THE_TEMPLATES: &str = "AWS_";

/// Read where the log is opened, before there are settings.
const LOG_FILTER: &str = "ROCKPOOL_LOG";

/// What a function's settings read, and which of it they cannot do without.
struct Asked {
    all: BTreeSet<String>,
    required: BTreeSet<String>,
}

fn asked<T>(read: impl FnOnce(&Reader<'_>) -> T) -> Asked {
    let names = RefCell::new(BTreeSet::new());
    let environment = |name: &str| {
        if !name.starts_with(NOT_THE_TEMPLATES) {
            names.borrow_mut().insert(name.to_owned());
        }
        None
    };
    let problems = read_settings(&environment, read).err().map(|error| error.problems).unwrap_or_default();
    let missing = problems.iter().filter_map(|problem| problem.strip_suffix(" is not set"));
    let required = missing.filter(|name| !name.starts_with(NOT_THE_TEMPLATES)).map(str::to_owned).collect();
    Asked { all: names.into_inner(), required }
}

/// What each function asks its environment for, by the crate's folder.
fn settings() -> BTreeMap<&'static str, Asked> {
    BTreeMap::from([
        ("functions/api", asked(api::Settings::read)),
        ("functions/sweep", asked(sweep::Settings::read)),
        ("workers/flow-runner", asked(flow_runner::Settings::read)),
        ("workers/health-checker", asked(health_checker::Settings::read)),
        ("workers/notifier", asked(notifier::Settings::read)),
    ])
}

/// Reads the settings of the function whose crate lies there.
pub(super) fn read_settings_of(folder: &str, environment: Environment<'_>) -> Result<(), SettingsError> {
    match folder {
        "functions/api" => read_settings(environment, api::Settings::read).map(drop),
        "functions/sweep" => read_settings(environment, sweep::Settings::read).map(drop),
        "workers/flow-runner" => read_settings(environment, flow_runner::Settings::read).map(drop),
        "workers/health-checker" => read_settings(environment, health_checker::Settings::read).map(drop),
        "workers/notifier" => read_settings(environment, notifier::Settings::read).map(drop),
        other => panic!("{other} has no settings here"),
    }
}

/// The crate's folder, as the repository's root sees it.
pub(super) fn folder(function: &Value) -> &str {
    function["Properties"]["CodeUri"].as_str().and_then(|uri| uri.strip_prefix("../")).expect("code lies beside infra")
}

#[test]
fn every_function_has_a_crate_and_every_crate_a_function() {
    let template = Template::read();
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let crates: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            let place = package.manifest_path.parent()?.strip_prefix(root()).ok()?.as_str().to_owned();
            let deployed = place.starts_with("functions/") || place.starts_with("workers/");
            let bin = package.targets.iter().find(|target| target.is_bin())?;
            deployed.then(|| (place, bin.name.clone()))
        })
        .collect();
    let functions = template.functions();
    let deployed: BTreeMap<_, _> = functions
        .values()
        .map(|function| {
            let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
            (folder(function).to_owned(), binary.to_owned())
        })
        .collect();
    assert_eq!(deployed, crates);
    assert_eq!(deployed.len(), functions.len(), "a crate is deployed twice");
}

#[test]
fn the_environment_is_what_the_settings_read() {
    let template = Template::read();
    let mut settings = settings();
    let everywhere = template.0.pointer("/Globals/Function/Environment/Variables").unwrap().as_object().unwrap();
    for (id, function) in template.functions() {
        let Asked { mut all, required } = settings.remove(folder(function)).unwrap_or_else(|| panic!("{id} has no settings here"));
        all.insert(LOG_FILTER.to_owned());
        all.append(&mut asked(shell::ExportSettings::read).all);
        let own = function["Properties"]["Environment"]["Variables"].as_object().into_iter().flatten();
        let given: BTreeMap<_, _> = everywhere.iter().chain(own).collect();
        assert_eq!(given.keys().map(|name| (*name).clone()).collect::<BTreeSet<_>>(), all, "{id}");
        for name in required {
            let parameter = referred(given[&name]).and_then(|parameter| template.0["Parameters"].get(parameter));
            let maybe_empty = parameter.is_some_and(|parameter| parameter.get("Default") == Some(&json!("")));
            assert!(!maybe_empty, "{id} needs {name}, whose parameter may be empty");
        }
    }
    assert!(settings.is_empty(), "{:?} is not deployed", settings.keys());
}

#[test]
fn every_function_runs_as_it_was_built() {
    let template = Template::read();
    let common = &template.0["Globals"]["Function"];
    assert_eq!(common["Runtime"], "provided.al2023");
    assert_eq!(common["Architectures"], json!(["arm64"]));
    assert_eq!(common["Handler"], "bootstrap");
    assert_eq!(common["AutoPublishAlias"], "live");
    for (id, function) in template.functions() {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{id}");
        let properties = &function["Properties"];
        for own in ["Runtime", "Architectures", "Handler", "AutoPublishAlias"] {
            assert!(properties.get(own).is_none(), "{id} has a {own} of its own");
        }
        assert!(
            properties.get("ReservedConcurrentExecutions").is_none(),
            "{id}: a reserve throttles, and a throttled delivery is a receive"
        );
        let role = referred(&properties["Role"]).unwrap();
        assert_eq!(Some(role), id.strip_suffix("Function").map(|name| format!("{name}Role")).as_deref(), "{id} has a role of its own");
        let logs = referred(&properties["LoggingConfig"]["LogGroup"]).unwrap();
        assert!(template.property(logs, "/RetentionInDays").is_object(), "{logs} are kept for ever");
    }
}

#[test]
fn a_caller_waits_longer_than_the_function_may_take() {
    let template = Template::read();
    let functions = template.functions();
    let doors: Vec<_> = functions.iter().flat_map(|(id, function)| events(function, "HttpApi").map(|(_, event)| (*id, event))).collect();
    let [(id, event)] = doors.as_slice() else { panic!("one function answers callers, not {}", doors.len()) };
    let waits = event["TimeoutInMillis"].as_u64().unwrap();
    assert_eq!(waits, 29_000);
    assert!(template.number(id, "/Timeout") * 1000 < waits);
    assert_eq!(event["PayloadFormatVersion"], "2.0", "what lambda_http takes for an HTTP API");
    assert!(event.get("Path").is_none() && event.get("Auth").is_none(), "the function routes and verifies");
    let api = referred(&event["ApiId"]).unwrap();
    assert!(template.0["Resources"][api]["Properties"].get("Auth").is_none(), "the function verifies");
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(template.property(api, "/DefaultRouteSettings")[limit].is_object());
    }
}

/// A minute that is lost is made up for by the next, so nothing may repeat it: neither the scheduler, nor Lambda's own queue behind it.
#[test]
fn every_schedule_has_a_handler_that_knows_its_event() {
    let template = Template::read();
    let mut schedules = 0;
    for (id, function) in template.functions() {
        for (name, event) in events(function, "ScheduleV2") {
            schedules += 1;
            let input = event["Input"].as_str().unwrap();
            // https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
            let sent = input.replace("<aws.scheduler.scheduled-time>", "2026-11-23T12:34:00Z");
            assert!(!sent.contains("<aws."), "{name} of {id} asks for something that the scheduler does not fill in here: {sent}");
            let known = match folder(function) {
                "functions/sweep" => serde_json::from_str::<sweep::Tick>(&sent).map(|tick| tick.time.to_string()),
                other => panic!("{other} has no handler of schedules"),
            };
            assert_eq!(known.unwrap(), "2026-11-23T12:34:00Z", "{name} of {id} does not send the minute that it is for");
            assert_eq!(event["ScheduleExpression"], "rate(1 minute)");
            let once = json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 });
            assert_eq!(event["RetryPolicy"], once, "{name} of {id}");
            assert_eq!(function["Properties"]["EventInvokeConfig"], once, "{id}");
            assert!(template.number(id, "/Timeout") <= 60, "two sweeps of {id} at a time");
        }
    }
    assert_eq!(schedules, 1);
}
