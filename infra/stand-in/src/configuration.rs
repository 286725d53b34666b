use std::path::{Path, PathBuf};

use gateway::{Family, pin, validate};
use serde_json::Value;

/// Where it finds its things, from the family's own variables.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) state: PathBuf,
    pub(crate) config: PathBuf,
}

/// It will not start with this configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it writes to standard error: the real program's words.
    pub(crate) said: String,
    /// What it exits with.
    pub(crate) code: u8,
}

pub(crate) fn places(family: Family, variable: impl Fn(&str) -> Option<String>) -> Places {
    let (prefix, name) = match family {
        Family::Openclaw => ("OPENCLAW", "openclaw"),
        Family::Clawdbot => ("CLAWDBOT", "clawdbot"),
    };
    let own = |suffix: &str| variable(&format!("{prefix}_{suffix}")).map(PathBuf::from);
    let home = variable("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let state = own("STATE_DIR").unwrap_or_else(|| home.join(format!(".{name}")));
    let config = own("CONFIG_PATH").unwrap_or_else(|| state.join(format!("{name}.json")));
    Places { state, config }
}

/// Reads and judges the configuration. The real programs read JSON5; what the platform renders is JSON, and this one reads that only.
pub(crate) fn load(family: Family, path: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Value, Refusal> {
    let refused = |said: String| Refusal { said, code: if family == Family::Openclaw { 78 } else { 1 } };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let said = format!("Missing config. Run `{family} setup` or set gateway.mode=local (or pass --allow-unconfigured).");
            return Err(refused(said));
        }
        Err(error) => return Err(refused(format!("Failed to read config at {} {error}", path.display()))),
    };
    let config: Value = serde_json::from_str(&text)
        .map_err(|error| refused(format!("Failed to read config at {} SyntaxError: {error}", path.display())))?;
    if let Some((name, place)) = missing_variable(&config, &variable, String::new()) {
        let said = format!("Missing env var \"{name}\" referenced at config path: {place}");
        match family {
            Family::Clawdbot => return Err(refused(format!("Failed to read config at {} MissingEnvVarError: {said}", path.display()))),
            Family::Openclaw => eprintln!("{said}"),
        }
    }
    if let Err(violations) = apart(|| validate(&pin(family).release(), &config)) {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let said = match family {
            Family::Openclaw => format!(
                "Gateway failed to start: Invalid config at {}:\n{}\nRun \"openclaw doctor --fix\" to repair, then retry.",
                path.display(),
                lines.join("\n")
            ),
            Family::Clawdbot => {
                format!("Invalid config at {}:\\n- {}\nConfig invalid\nRun: clawdbot doctor --fix", path.display(), lines.join("\n- "))
            }
        };
        return Err(refused(said));
    }
    if config["gateway"]["mode"] != "local" {
        let said = match family {
            Family::Openclaw => "Gateway start blocked: existing config is missing gateway.mode.".to_owned(),
            Family::Clawdbot => "Gateway start blocked: set gateway.mode=local (current: unset) or pass --allow-unconfigured.".to_owned(),
        };
        return Err(refused(said));
    }
    contradiction(family, &config).map_or(Ok(config), Err)
}

/// Does a piece of work in a thread of its own: what the schema took of memory goes back to the system with the thread, where in the main
/// one it would stay for as long as the stand-in runs.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).expect("the schemas are read and compiled in tests")
}

/// A rule across fields, which no schema holds and which OpenClaw answers with 1.
fn contradiction(family: Family, config: &Value) -> Option<Refusal> {
    let auth = &config["gateway"]["auth"];
    let both = family == Family::Openclaw && auth["mode"] == "trusted-proxy" && auth.get("token").is_some();
    both.then(|| Refusal {
        said:
            "Gateway failed to start: gateway auth mode is trusted-proxy, but a shared token is also configured; trusted-proxy and token \
               auth are mutually exclusive."
                .to_owned(),
        code: 1,
    })
}

/// The first `${NAME}` in a string whose variable is not set, and where it stands.
fn missing_variable(value: &Value, variable: &impl Fn(&str) -> Option<String>, place: String) -> Option<(String, String)> {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match value {
        Value::String(text) => references(text).find(|name| variable(name).is_none()).map(|name| (name.to_owned(), place)),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| missing_variable(value, variable, below(&index.to_string())))
        }
        Value::Object(fields) => fields.iter().find_map(|(key, value)| missing_variable(value, variable, below(key))),
        _ => None,
    }
}

/// The names in `${NAME}`; only capitals, digits and underscores are names.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use gateway::{ExitMeaning, Settings, classify_exit, render};
    use serde_json::json;

    use super::*;

    fn judged(family: Family, text: Option<&str>) -> Result<Value, Refusal> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        load(family, &path, |name| name.starts_with("ROCKPOOL_").then(|| "/x".to_owned()))
    }

    #[test]
    fn what_is_rendered_is_accepted() {
        for family in Family::ALL {
            let config = render(&Settings::of_machine(pin(family).release(), "http://a.localhost:8082"));
            assert_eq!(judged(family, Some(&config.to_string())), Ok(config), "{family}");
        }
    }

    #[test]
    fn what_the_real_ones_refuse_is_refused_in_words_that_are_understood() {
        let unknown = json!({ "gateway": { "mode": "local", "bund": 1 } }).to_string();
        let cases = [None, Some("{}"), Some("{\"gateway\":"), Some(unknown.as_str()), Some("{\"gateway\":{\"bind\":\"nope\"}}")];
        for family in Family::ALL {
            for case in cases {
                let refusal = judged(family, case).expect_err("accepted");
                assert_eq!(refusal.code, if family == Family::Openclaw { 78 } else { 1 }, "{family} {case:?}");
                let meaning = classify_exit(family, Some(refusal.code.into()), None, &refusal.said);
                assert!(matches!(meaning, ExitMeaning::ConfigRefused { .. }), "{family} {case:?}: {}", refusal.said);
            }
        }
    }

    #[test]
    fn an_unset_variable_stops_clawdbot_and_not_openclaw() {
        let config = json!({ "gateway": { "mode": "local", "auth": { "mode": "token", "token": "${NOPE_X}" } } }).to_string();
        let refusal = judged(Family::Clawdbot, Some(&config)).expect_err("accepted");
        assert!(refusal.said.ends_with("Missing env var \"NOPE_X\" referenced at config path: gateway.auth.token"), "{}", refusal.said);
        assert!(judged(Family::Openclaw, Some(&config)).is_ok());
    }

    #[test]
    fn a_token_beside_trusted_proxy_is_refused_with_1() {
        let auth = json!({ "mode": "trusted-proxy", "token": "x", "trustedProxy": { "userHeader": "x-forwarded-user" } });
        let refusal =
            judged(Family::Openclaw, Some(&json!({ "gateway": { "mode": "local", "auth": auth } }).to_string())).expect_err("accepted");
        assert_eq!(refusal.code, 1);
        assert!(matches!(classify_exit(Family::Openclaw, Some(1), None, &refusal.said), ExitMeaning::ConfigRefused { .. }));
    }
}
