use domain::{Family, Release};
use serde_json::{Value, json};

use crate::environment;

/// The header in which the supervisor names the person or program that it has verified.
pub const USER_HEADER: &str = "x-forwarded-user";
/// The headers without which OpenClaw refuses a forwarded request, besides [`USER_HEADER`].
pub const REQUIRED_HEADERS: [&str; 2] = ["x-forwarded-proto", "x-forwarded-host"];

/// What a gateway's configuration is rendered from. It holds no secret: those are named, and the gateway reads them from its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The release that will read it.
    pub release: Release,
    /// The instance's public origin, which browsers send as `Origin`.
    pub address: String,
    /// The loopback port.
    pub port: u16,
    /// The agent's workspace: a path, or a reference such as `${ROCKPOOL_WORKSPACE}` to a variable of the gateway's environment.
    pub workspace: String,
    /// OpenClaw's log file, likewise. Clawdbot substitutes nothing there and gets none.
    pub log_file: String,
}

impl Settings {
    /// Those of a tenant machine. Its folders are named by the variables that [`crate::Launch::environment`] sets, and the port is
    /// overruled by the command line, so the same bytes fit a machine at Fly.io and a process on one host.
    #[must_use]
    pub fn of_machine(release: Release, address: impl Into<String>) -> Self {
        Self {
            release,
            address: address.into(),
            port: environment::GATEWAY_PORT_DEFAULT,
            workspace: format!("${{{}}}", environment::GATEWAY_WORKSPACE),
            log_file: format!("${{{}}}", environment::GATEWAY_LOG),
        }
    }
}

/// The smallest configuration with which a gateway serves behind the supervisor. What the platform owns (updates, restarts, its own
/// configuration) is switched off in it, and so is everything that opens a further listener or asks the internet at start.
///
/// Reference: the schemas in `schemas/`, exported from the programs themselves.
#[must_use]
pub fn render(settings: &Settings) -> Value {
    match settings.release.family {
        Family::Openclaw => openclaw(settings),
        Family::Clawdbot => clawdbot(settings),
    }
}

/// OpenClaw trusts the supervisor as its proxy: who reaches it was verified, is named in [`USER_HEADER`], and a browser's device is
/// paired without asking. A token beside that mode would stop the start.
fn openclaw(settings: &Settings) -> Value {
    json!({
        "gateway": {
            "mode": "local",
            "port": settings.port,
            "bind": "loopback",
            "trustedProxies": ["127.0.0.1"],
            "auth": {
                "mode": "trusted-proxy",
                "trustedProxy": {
                    "userHeader": USER_HEADER,
                    "requiredHeaders": REQUIRED_HEADERS,
                    "allowLoopback": true,
                    "deviceAutoApprove": { "enabled": true },
                },
            },
            "controlUi": { "enabled": true, "allowedOrigins": [settings.address] },
            "reload": { "mode": "hybrid" },
            "terminal": { "enabled": false },
        },
        "agents": { "defaults": { "workspace": settings.workspace } },
        "browser": { "enabled": false },
        "discovery": { "mdns": { "mode": "off" } },
        "models": { "catalogRefresh": { "enabled": false } },
        "telemetry": { "enabled": false },
        "update": { "checkOnStart": false, "auto": { "enabled": false } },
        "commands": { "restart": false, "config": false, "bash": false, "debug": false, "mcp": false, "plugins": false },
        "logging": { "level": "info", "consoleLevel": "info", "consoleStyle": "json", "file": settings.log_file },
    })
}

/// Clawdbot has no trusted-proxy mode. Without `auth` on loopback it is open to whoever reaches it there, which is the supervisor.
///
/// Its log is the console's alone: `logging.level` governs its file, whose name is taken literally and whose default every instance on a
/// host would share.
fn clawdbot(settings: &Settings) -> Value {
    json!({
        "gateway": {
            "mode": "local",
            "port": settings.port,
            "bind": "loopback",
            "controlUi": { "enabled": true },
            "reload": { "mode": "hybrid" },
        },
        "agents": { "defaults": { "workspace": settings.workspace } },
        "browser": { "enabled": false },
        "canvasHost": { "enabled": false },
        "discovery": { "wideArea": { "enabled": false } },
        "update": { "checkOnStart": false },
        "commands": { "restart": false, "config": false, "bash": false, "debug": false },
        "logging": { "level": "silent", "consoleLevel": "info", "consoleStyle": "json" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{find, pins, validate};

    fn of(family: Family) -> Settings {
        Settings::of_machine(crate::pin(family).release(), "https://rp-test-0190.fly.dev")
    }

    #[test]
    fn what_is_rendered_for_each_release_passes_the_schema_of_that_release() {
        for pin in pins() {
            let release = find(&pin.release()).unwrap().release();
            let config = render(&Settings::of_machine(release.clone(), "https://rp-test-0190.fly.dev"));
            assert_eq!(validate(&release, &config), Ok(()), "{release}");
        }
    }

    #[test]
    fn openclaw_trusts_the_supervisor_and_the_instance_s_own_origin_alone() {
        let gateway = &render(&of(Family::Openclaw))["gateway"];
        assert_eq!(gateway["controlUi"]["allowedOrigins"], json!(["https://rp-test-0190.fly.dev"]));
        assert_eq!(gateway["trustedProxies"], json!(["127.0.0.1"]));
        assert_eq!(gateway["bind"], "loopback");
        assert_eq!(gateway["auth"]["mode"], "trusted-proxy");
        assert!(gateway["auth"].get("token").is_none(), "a token beside trusted-proxy stops the start");
    }

    #[test]
    fn the_customer_s_chat_cannot_change_what_the_platform_owns() {
        for family in Family::ALL {
            let config = render(&of(family));
            for command in ["restart", "config", "bash", "debug"] {
                assert_eq!(config["commands"][command], false, "{family}: {command}");
            }
            assert_eq!(config["update"]["checkOnStart"], false, "{family}");
        }
    }

    #[test]
    fn every_variable_that_a_rendered_configuration_names_is_set_for_the_process() {
        for family in Family::ALL {
            let text = render(&of(family)).to_string();
            let set = crate::Launch::below(std::path::Path::new("/r"), family, 1, 2048).environment();
            let named: Vec<&str> = text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
            assert!(named.contains(&environment::GATEWAY_WORKSPACE), "{family}: {named:?}");
            for name in named {
                assert!(set.iter().any(|(key, _)| key == name), "{family}: `{name}` is not set, and Clawdbot would not start");
            }
        }
    }
}
