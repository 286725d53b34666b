use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Family;

use crate::environment;

/// Keeps OpenClaw from rewriting its configuration, which is ours.
const CONFIG_READONLY: &str = "OPENCLAW_CONFIG_READONLY";

/// How a gateway's process is started: everything but the program itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The line of programs.
    pub family: Family,
    /// The loopback port it gets.
    pub port: u16,
    /// The machine's memory in MiB.
    pub memory_mb: u32,
    /// Its home folder.
    pub home: PathBuf,
    /// Its state folder, which holds its configuration too.
    pub state: PathBuf,
    /// The agent's workspace.
    pub workspace: PathBuf,
    /// Its temporary folder.
    pub temporary: PathBuf,
}

impl Launch {
    /// With the folders of a machine, resolved below a root ([`environment::ROOT`]).
    #[must_use]
    pub fn below(root: &Path, family: Family, port: u16, memory_mb: u32) -> Self {
        let place = |absolute: &str| root.join(absolute.trim_start_matches('/'));
        Self {
            family,
            port,
            memory_mb,
            home: place(environment::HOME),
            state: place(environment::STATE),
            workspace: place(environment::WORKSPACE),
            temporary: place(environment::TEMPORARY),
        }
    }

    /// The folders that must exist, mode 700 and owned by the gateway's user, before it starts.
    #[must_use]
    pub fn folders(&self) -> [PathBuf; 5] {
        [self.home.clone(), self.state.clone(), self.workspace.clone(), self.temporary.clone(), self.logs()]
    }

    /// The configuration file, mode 600.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.state.join(match self.family {
            Family::Openclaw => "openclaw.json",
            Family::Clawdbot => "clawdbot.json",
        })
    }

    /// What follows the program on its command line.
    ///
    /// The bind address is said here as well as in the configuration: OpenClaw's own default is every address where it believes itself to
    /// be in a container.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        ["gateway", "--port", &self.port.to_string(), "--bind", "loopback"].map(str::to_owned).to_vec()
    }

    /// The variables that the family reads and those that keep it inside its folders. What else the process inherits, the supervisor
    /// decides; nothing named `ROCKPOOL_…_KEY` may be among it.
    ///
    /// `NODE_COMPILE_CACHE` is absent on purpose: where OpenClaw finds it set, it starts itself once more and keeps 91 MB in a parent that
    /// only waits. Installed programs bring their own, warmed cache in their argv prefix.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut variables = vec![
            ("HOME".to_owned(), text(&self.home)),
            ("TMPDIR".to_owned(), text(&self.temporary)),
            ("NODE_ENV".to_owned(), "production".to_owned()),
            ("NODE_OPTIONS".to_owned(), format!("--max-old-space-size={}", heap_mb(self.memory_mb))),
            (environment::GATEWAY_WORKSPACE.to_owned(), text(&self.workspace)),
            (environment::GATEWAY_LOG.to_owned(), text(&self.logs().join("gateway.log"))),
        ];
        let prefix = match self.family {
            Family::Openclaw => "OPENCLAW",
            Family::Clawdbot => "CLAWDBOT",
        };
        let mut own = |name: &str, value: String| variables.push((format!("{prefix}_{name}"), value));
        own("STATE_DIR", text(&self.state));
        own("CONFIG_PATH", text(&self.config()));
        own("GATEWAY_PORT", self.port.to_string());
        // Without it Clawdbot's child does the work, and a wrapper of 57 MB waits for it.
        own("NO_RESPAWN", "1".to_owned());
        own("DISABLE_BONJOUR", "1".to_owned());
        if self.family == Family::Openclaw {
            own("NO_AUTO_UPDATE", "1".to_owned());
            variables.push((CONFIG_READONLY.to_owned(), "1".to_owned()));
        }
        variables
    }

    /// What follows the program on its command line where it is to look at its own state and to repair what needs no question
    /// (<https://docs.openclaw.ai/cli/doctor>). Both families have this command.
    #[must_use]
    pub fn doctor_arguments(&self) -> Vec<String> {
        ["doctor", "--non-interactive", "--fix", "--yes"].map(str::to_owned).to_vec()
    }

    /// The variables of the doctor: those of the gateway but one. OpenClaw's repairs nothing at all, and ends with 1, where its configuration
    /// is read-only; what either family's writes into the configuration lasts until the next start of the gateway puts it back.
    #[must_use]
    pub fn doctor_environment(&self) -> Vec<(String, String)> {
        self.environment().into_iter().filter(|(name, _)| name != CONFIG_READONLY).collect()
    }

    fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }
}

/// The limit of the JavaScript heap, in MiB, for a machine's memory.
///
/// A quarter, and at least 512 MB, is left to the program's code, its buffers, the kernel and the supervisor. Measured with OpenClaw: 1,536
/// of 2,048 MB peak at 1,356 MB after three turns of an agent.
#[must_use]
pub fn heap_mb(memory_mb: u32) -> u32 {
    memory_mb.saturating_sub((memory_mb / 4).max(512)).max(256)
}

/// How long a machine's stop may take (`stop_config.timeout`).
///
/// OpenClaw waits up to 325 s for running work and ignores a second SIGTERM; Fly.io waits at most 300 s. Clawdbot ends within 8 s even on
/// a busy machine.
#[must_use]
pub const fn stop_timeout(family: Family) -> Duration {
    match family {
        Family::Openclaw => Duration::from_secs(300),
        Family::Clawdbot => Duration::from_secs(30),
    }
}

/// How long the supervisor waits between SIGTERM and SIGKILL of the gateway: less than [`stop_timeout`], so that it is the supervisor that
/// ends it and can say so.
#[must_use]
pub const fn drain_timeout(family: Family) -> Duration {
    match family {
        Family::Openclaw => Duration::from_secs(290),
        Family::Clawdbot => Duration::from_secs(20),
    }
}

/// How long a start may take before it is called hung: the slowest start that was measured, first boots that fetch channel plugins
/// included, twice over.
#[must_use]
pub const fn start_timeout(family: Family) -> Duration {
    match family {
        Family::Openclaw => Duration::from_secs(330),
        Family::Clawdbot => Duration::from_secs(120),
    }
}

/// How long the doctor may take before it is ended: it was seen to need 14 s (Clawdbot) and 30 s (OpenClaw) on a busy machine, and has more
/// to do where it moves an old state to a new form.
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(family: Family) -> Launch {
        Launch::below(Path::new("/srv/m1"), family, 40_001, 2048)
    }

    fn value<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
        environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_root_moves_every_folder_and_the_machine_s_own_root_moves_none() {
        let moved = launch(Family::Openclaw);
        assert!(moved.folders().iter().all(|folder| folder.starts_with("/srv/m1/data")), "{:?}", moved.folders());
        assert_eq!(moved.config(), Path::new("/srv/m1/data/state/openclaw.json"));
        let machine = Launch::below(Path::new("/"), Family::Clawdbot, 18_789, 1024);
        assert_eq!(machine.home, Path::new(environment::HOME));
        assert_eq!(machine.config(), Path::new("/data/state/clawdbot.json"));
    }

    #[test]
    fn each_family_is_told_its_folders_in_its_own_variables() {
        for (family, own, foreign) in [(Family::Openclaw, "OPENCLAW_", "CLAWDBOT_"), (Family::Clawdbot, "CLAWDBOT_", "OPENCLAW_")] {
            let environment = launch(family).environment();
            assert_eq!(value(&environment, &format!("{own}STATE_DIR")), Some("/srv/m1/data/state"));
            assert_eq!(value(&environment, &format!("{own}CONFIG_PATH")), launch(family).config().to_str());
            assert!(environment.iter().all(|(name, _)| !name.starts_with(foreign)), "{family}");
            assert_eq!(value(&environment, "HOME"), Some("/srv/m1/data/home"));
            assert_eq!(value(&environment, "TMPDIR"), Some("/srv/m1/data/tmp"));
        }
        assert_eq!(value(&launch(Family::Openclaw).environment(), "OPENCLAW_CONFIG_READONLY"), Some("1"));
    }

    #[test]
    fn the_doctor_works_where_the_gateway_does_and_may_write_what_it_repairs() {
        for family in Family::ALL {
            let (gateway, doctor) = (launch(family).environment(), launch(family).doctor_environment());
            let missing: Vec<_> = gateway.iter().filter(|variable| !doctor.contains(variable)).map(|(name, _)| name.as_str()).collect();
            let expected: &[&str] = if family == Family::Openclaw { &["OPENCLAW_CONFIG_READONLY"] } else { &[] };
            assert_eq!(missing, expected, "{family}");
        }
    }

    #[test]
    fn the_gateway_always_binds_loopback_on_the_port_it_was_given() {
        assert_eq!(launch(Family::Clawdbot).arguments(), ["gateway", "--port", "40001", "--bind", "loopback"]);
    }

    #[test]
    fn the_heap_leaves_room_for_everything_else() {
        let sizes = [1024, 1536, 2048, 4096, 8192].map(heap_mb);
        assert_eq!(sizes, [512, 1024, 1536, 3072, 6144]);
        assert_eq!(heap_mb(256), 256, "never less than a program needs to start");
        assert_eq!(value(&launch(Family::Openclaw).environment(), "NODE_OPTIONS"), Some("--max-old-space-size=1536"));
    }

    #[test]
    fn the_supervisor_loses_patience_before_the_machine_does() {
        for family in Family::ALL {
            assert!(drain_timeout(family) < stop_timeout(family));
            assert!(stop_timeout(family) <= Duration::from_secs(300), "Fly.io waits no longer");
        }
    }
}
