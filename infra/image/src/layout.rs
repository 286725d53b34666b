use std::path::{Path, PathBuf};

use gateway::Family;
use serde::{Deserialize, Serialize};

/// Where the parts of an installation are.
///
/// ```text
/// recipe.sha256            what is being installed here; written first
/// toolchain/node_modules   Node.js and npm
/// gateway/node_modules     the program
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

    /// The argv prefix that starts the program. It begins with `env`, so that one array carries all that this installation needs of its
    /// environment wherever it is started.
    pub(crate) fn program(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut argv = vec![
            "/usr/bin/env".to_owned(),
            format!("PATH={}:{SYSTEM_PATH}", text(&self.tools())),
            format!("NODE_COMPILE_CACHE={}", text(&self.root.join("cache/node"))),
        ];
        if self.family == Family::Openclaw {
            // It would start itself once more to use a cache folder of its own, and keep 91 MB in a parent that only waits.
            argv.push("OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED=1".to_owned());
        }
        argv.extend([text(&self.node()), text(&self.main())]);
        argv
    }
}
