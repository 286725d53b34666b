use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Answer;
use crate::api::refusal::Refusal;

/// The size of a machine.
///
/// The rules are those of Fly's own tools: shared CPUs 1, 2, 4, 6 or 8 with 256 to 2048 MB each, in steps of 256; performance CPUs with
/// 2048 to 8192 MB each, in steps of 1024 (<https://fly.io/docs/machines/guides-examples/machine-sizing/>).
#[derive(Debug, Deserialize)]
pub(crate) struct Guest {
    cpu_kind: Option<String>,
    cpus: Option<u64>,
    memory_mb: Option<u64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

struct Rules {
    cpus: &'static [u64],
    least_mb: u64,
    most_mb: u64,
    step_mb: u64,
}

const SHARED: Rules = Rules { cpus: &[1, 2, 4, 6, 8], least_mb: 256, most_mb: 2048, step_mb: 256 };
const PERFORMANCE: Rules = Rules { cpus: &[1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128], least_mb: 2048, most_mb: 8192, step_mb: 1024 };

impl Guest {
    pub(super) fn of(config: &Value) -> Answer<Self> {
        let given = if config.is_null() { json!({}) } else { config.clone() };
        serde_json::from_value(given).map_err(|error| Refusal::invalid(format!("config.guest: {error}")))
    }

    fn kind(&self) -> &str {
        self.cpu_kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("shared")
    }

    fn rules(&self) -> Answer<&'static Rules> {
        match self.kind() {
            "shared" => Ok(&SHARED),
            "performance" => Ok(&PERFORMANCE),
            _ => Err(refused("cpu_kind, must be one of shared, performance")),
        }
    }

    fn cpus(&self) -> u64 {
        self.cpus.filter(|cpus| *cpus > 0).unwrap_or(1)
    }

    fn memory_mb(&self, rules: &Rules) -> u64 {
        self.memory_mb.filter(|memory| *memory > 0).unwrap_or(self.cpus() * rules.least_mb)
    }

    pub(crate) fn validate(&self) -> Answer<()> {
        let rules = self.rules()?;
        let cpus = self.cpus();
        if !rules.cpus.contains(&cpus) {
            return Err(refused(&format!("cpus, {} machines have one of {:?}", self.kind(), rules.cpus)));
        }
        let (memory, least, most) = (self.memory_mb(rules), cpus * rules.least_mb, cpus * rules.most_mb);
        if memory < least {
            return Err(refused(&format!("memory_mb, minimum required {least} MiB")));
        }
        if memory > most {
            return Err(refused(&format!("memory_mb, maximum allowed {most} MiB")));
        }
        if memory % rules.step_mb != 0 {
            return Err(refused(&format!("memory_mb, must be a multiple of {} MiB", rules.step_mb)));
        }
        Ok(())
    }

    /// The guest with what was left open.
    pub(super) fn completed(&self) -> Value {
        let rules = self.rules().unwrap_or(&SHARED);
        let mut guest = Value::Object(self.rest.clone());
        guest["cpu_kind"] = json!(self.kind());
        guest["cpus"] = json!(self.cpus());
        guest["memory_mb"] = json!(self.memory_mb(rules));
        guest
    }
}

fn refused(text: &str) -> Refusal {
    Refusal::new(axum::http::StatusCode::BAD_REQUEST, format!("invalid config.guest.{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_fly_sells_are_taken_and_others_are_refused() {
        let verdict = |kind: &str, cpus: u64, memory: u64| {
            Guest::of(&json!({ "cpu_kind": kind, "cpus": cpus, "memory_mb": memory })).unwrap().validate().is_ok()
        };
        let good = [
            ("shared", 1, 256),
            ("shared", 1, 2048),
            ("shared", 2, 512),
            ("shared", 8, 16384),
            ("performance", 1, 2048),
            ("performance", 2, 4096),
        ];
        for (kind, cpus, memory) in good {
            assert!(verdict(kind, cpus, memory), "{kind} {cpus} {memory}");
        }
        let bad =
            [("shared", 3, 1024), ("shared", 1, 4096), ("shared", 2, 256), ("shared", 1, 300), ("performance", 1, 1024), ("gold", 1, 256)];
        for (kind, cpus, memory) in bad {
            assert!(!verdict(kind, cpus, memory), "{kind} {cpus} {memory}");
        }
    }
}
