use std::path::PathBuf;

use gateway::Family;
use serde::{Deserialize, Serialize};

/// Where the parts of an installation are.
///
/// ```text
/// recipe.sha256            what is being installed here; written first
/// toolchain/node_modules   Node.js and npm
/// gateway/node_modules     the program
/// start                    the program to run
/// cache/node               compiled code, made by the first start
/// installed.json           written last: the installation is whole
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) family: Family,
}

/// The completion marker.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) recipe: String,
    pub(crate) family: Family,
    pub(crate) version: String,
}

/// What a gateway's process finds on its `PATH` after Node.js and npm: its agent's shell needs the system's tools, not the person's own.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Layout {
    pub(crate) fn toolchain(&self) -> PathBuf {
        self.root.join("toolchain")
    }

    pub(crate) fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }

    /// The folder of `node` and `npm`.
    pub(crate) fn tools(&self) -> PathBuf {
        self.toolchain().join("node_modules/.bin")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.tools().join("node")
    }

    pub(crate) fn npm_cli(&self) -> PathBuf {
        self.toolchain().join("node_modules/npm/bin/npm-cli.js")
    }

    /// The program's main file.
    pub(crate) fn main(&self) -> PathBuf {
        let modules = self.gateway().join("node_modules");
        match self.family {
            Family::Openclaw => modules.join("openclaw/openclaw.mjs"),
            Family::Clawdbot => modules.join("clawdbot/dist/entry.js"),
        }
    }

    /// Where Clawdbot's compiler of plugins (jiti) keeps its results if the folder exists; otherwise it is the temporary folder, which a
    /// new machine finds empty. It must stay writable for the gateway's user, or the compiler ignores it.
    pub(crate) fn plugin_cache(&self) -> Option<PathBuf> {
        (self.family == Family::Clawdbot).then(|| self.gateway().join("node_modules/clawdbot/dist/plugins/node_modules"))
    }

    pub(crate) fn recipe(&self) -> PathBuf {
        self.root.join("recipe.sha256")
    }

    pub(crate) fn marker(&self) -> PathBuf {
        self.root.join("installed.json")
    }

    /// The program that starts the gateway with whatever arguments follow.
    pub(crate) fn start(&self) -> PathBuf {
        self.root.join("start")
    }

    /// The contents of [`Self::start`]. A script, so that one path carries all that this installation needs of its environment, on a laptop
    /// and in an image alike; it becomes the gateway, so that signals reach that.
    pub(crate) fn start_script(&self) -> String {
        let mut script = "#!/bin/sh\n".to_owned();
        let mut export = |name: &str, value: &str| script.push_str(&format!("export {name}={}\n", quoted(value)));
        export("PATH", &format!("{}:{SYSTEM_PATH}", self.tools().display()));
        export("NODE_COMPILE_CACHE", &self.root.join("cache/node").to_string_lossy());
        if self.family == Family::Openclaw {
            // It would start itself once more to use a cache folder of its own, and keep 91 MB in a parent that only waits.
            export("OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED", "1");
        }
        let text = |path: PathBuf| quoted(&path.to_string_lossy());
        script + &format!("exec {} {} \"$@\"\n", text(self.node()), text(self.main()))
    }
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_script_quotes_whatever_the_folder_is_called() {
        let layout = Layout { root: PathBuf::from("/srv/it's $HOME"), family: Family::Clawdbot };
        assert!(layout.start_script().ends_with(
            "exec '/srv/it'\\''s $HOME/toolchain/node_modules/.bin/node' \
             '/srv/it'\\''s $HOME/gateway/node_modules/clawdbot/dist/entry.js' \"$@\"\n"
        ));
    }

    #[test]
    fn the_dockerfile_starts_what_it_installs_on_the_toolchain_that_is_pinned() {
        let dockerfile = include_str!("../Dockerfile");
        let layout = Layout { root: PathBuf::from("/opt/gateway"), family: Family::Openclaw };
        let program = serde_json::json!([layout.start()]).to_string();
        assert!(dockerfile.contains(&format!("{}='{program}'", gateway::environment::GATEWAY_PROGRAM)), "{program}");
        assert!(dockerfile.contains("--into /opt/gateway") && dockerfile.contains("COPY --from=gateway /opt/gateway /opt/gateway"));
        let toolchain = include_str!("../../../rust-toolchain.toml");
        let channel = toolchain.split('"').nth(1).unwrap();
        assert!(dockerfile.contains(&format!("ARG RUST=rust:{channel}-slim-")), "the image is built with another Rust than {channel}");
    }
}
