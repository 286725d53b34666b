use domain::{Family, Release};
use serde_json::Value;

/// One way in which a configuration breaks its release's schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Violation {
    /// Where, as the gateways write it: `gateway.bind`, or `<root>`.
    pub path: String,
    /// What is wrong there. Names keys, never quotes a value: a value may be a secret.
    pub message: String,
    /// Keys there that the schema does not know.
    pub unknown_keys: Vec<String>,
}

/// Checks a configuration against the schema of its release, as the gateway does at its start. A configuration that fails here would
/// stop the gateway; one that passes may still fail on a rule across fields or on a variable that is not set.
///
/// The schema is read anew at each call and dropped with its end: calls are rare, and kept in memory the larger one costs more than the
/// rest of the supervisor.
///
/// # Errors
/// Every violation, in the order of the document.
pub fn validate(release: &Release, config: &Value) -> Result<(), Vec<Violation>> {
    let schema: Value = serde_json::from_str(text(release.family)).expect("a test of this crate reads every schema");
    let validator = jsonschema::validator_for(&schema).expect("a test of this crate compiles every schema");
    let violations: Vec<Violation> = validator.iter_errors(config).map(|error| violation(&error)).collect();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

const fn text(family: Family) -> &'static str {
    match family {
        Family::Openclaw => include_str!("../schemas/openclaw.input.json"),
        Family::Clawdbot => include_str!("../schemas/clawdbot.input.json"),
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    use jsonschema::error::ValidationErrorKind as Kind;
    let pointer = error.instance_path().as_str();
    let path = if pointer.is_empty() { "<root>".to_owned() } else { pointer.trim_start_matches('/').replace('/', ".") };
    let (message, unknown_keys) = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let quoted: Vec<String> = unexpected.iter().map(|key| format!("\"{key}\"")).collect();
            let label = if quoted.len() == 1 { "Unrecognized key" } else { "Unrecognized keys" };
            (format!("{label}: {}", quoted.join(", ")), unexpected.clone())
        }
        Kind::Required { property } => (format!("Missing key: {property}"), Vec::new()),
        _ => ("Invalid input".to_owned(), Vec::new()),
    };
    Violation { path, message, unknown_keys }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pin;

    fn refused(family: Family, config: &Value) -> Vec<String> {
        validate(&pin(family).release(), config).expect_err("accepted").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_keys_are_named_as_the_gateways_name_them() {
        let config = json!({ "gateway": { "mode": "local", "bund": 1 }, "model": "x", "maxTokens": 1 });
        for family in Family::ALL {
            let mut seen = refused(family, &config);
            seen.sort();
            assert_eq!(seen, ["<root>: Unrecognized keys: \"maxTokens\", \"model\"", "gateway: Unrecognized key: \"bund\""], "{family}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_without_quoting_it() {
        for family in Family::ALL {
            let seen = refused(family, &json!({ "gateway": { "mode": "local", "bind": "s3cret-value" } }));
            assert_eq!(seen, ["gateway.bind: Invalid input"], "{family}");
        }
    }

    #[test]
    fn a_key_of_the_other_family_is_refused() {
        assert_eq!(refused(Family::Openclaw, &json!({ "canvasHost": { "enabled": false } })), ["<root>: Unrecognized key: \"canvasHost\""]);
        assert_eq!(
            refused(Family::Clawdbot, &json!({ "gateway": { "auth": { "mode": "trusted-proxy" } } })),
            ["gateway.auth.mode: Invalid input"]
        );
    }
}
