use std::path::Path;

use gateway::Family;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::configuration::{Refusal, places};
use crate::memory;
use crate::steering::Steering;

/// What the doctors of the real ones do that a host has to know: OpenClaw's repairs nothing where the configuration is read-only, both write
/// into the configuration that they were there, and both end with 0 whatever they found. Stricter than they are, this one refuses to come
/// while a gateway runs.
pub(crate) async fn examine(family: Family, fix: bool) -> Result<(), Refusal> {
    let variable = |name: &str| std::env::var(name).ok();
    let failed = |said: String| Refusal { said, code: 1 };
    let places = places(family, variable);
    println!("┌  {family} doctor");
    if fix && family == Family::Openclaw && variable("OPENCLAW_CONFIG_READONLY").as_deref() == Some("1") {
        return Err(failed(
            "Config is externally managed (`OPENCLAW_CONFIG_READONLY=1`), so OpenClaw treats openclaw.json as immutable.".to_owned(),
        ));
    }
    let _lock = memory::lock(&places.state).map_err(|error| failed(format!("the state is in use: {error}")))?;
    let steering = Steering::read(&places.state, variable).map_err(failed)?;
    sleep(steering.examination()).await;
    if fix {
        note_visit(&places.config).map_err(|error| failed(format!("{}: {error}", places.config.display())))?;
    }
    println!("└  Doctor complete.");
    Ok(())
}

fn note_visit(config: &Path) -> std::io::Result<()> {
    let mut written: Value = serde_json::from_slice(&std::fs::read(config)?)?;
    written["wizard"] = json!({ "lastRunCommand": "doctor", "lastRunAt": Timestamp::now().to_string() });
    std::fs::write(config, serde_json::to_vec_pretty(&written)?)
}
