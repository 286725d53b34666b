use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The whole of Rockpool on one machine: API, workers, provider and gateways, on loopback.
#[derive(Debug, Parser)]
#[command(name = "rockpool-local", version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// One of the parts that this program also is.
    #[command(subcommand)]
    pub part: Option<Part>,
    /// How the platform runs.
    #[command(flatten)]
    pub platform: PlatformArguments,
}

/// The highest port of the API: the one after it has to be one too (RFC 6335, section 6).
const HIGHEST_PORT: i64 = 65_534;

/// How the platform runs.
#[derive(Debug, Clone, Args)]
pub struct PlatformArguments {
    /// Port of the API; instances are reached at the one after it. A data folder keeps its port, because the addresses of its
    /// instances contain it [default: 8080].
    #[arg(long, value_parser = clap::value_parser!(u16).range(..=HIGHEST_PORT))]
    pub port: Option<u16>,
    /// Folder that holds everything.
    #[arg(long, default_value = ".rockpool")]
    pub data: PathBuf,
    /// What runs in the machines.
    #[arg(long, value_enum, default_value_t = GatewayChoice::Real)]
    pub gateway: GatewayChoice,
    /// Remove everything that the data folder holds, except downloaded gateways, before starting.
    #[arg(long)]
    pub reset: bool,
    /// Let the provider go wrong by chance: `calm`, `bad-day` or `regional-outage`, with a number after a colon to see the same again.
    #[arg(long, value_name = "PROFILE[:SEED]")]
    pub faults: Option<fly_sim::Faults>,
    /// Folder of fetched gateways, for several data folders to share [default: `gateways` in the data folder].
    #[arg(long, hide = true)]
    pub gateways: Option<PathBuf>,
}

/// What runs in the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GatewayChoice {
    /// The pinned release of OpenClaw or Clawdbot, from npm.
    Real,
    /// The small built-in gateway: as strict, and in a second.
    StandIn,
}

/// The programs that this one also is: `cargo run` builds a single binary, which starts itself for them.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// The supervisor inside a machine.
    #[command(hide = true)]
    Supervisor,
    /// A gateway that has been fetched, or is being fetched.
    #[command(hide = true)]
    Gateway {
        /// The folder of fetched gateways.
        folder: PathBuf,
        /// The line of programs.
        family: domain::Family,
        /// The gateway's own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The built-in gateway.
    #[command(hide = true)]
    StandIn(stand_in::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(arguments: &[&str]) -> Result<Option<String>, String> {
        let parsed = Arguments::try_parse_from(["rockpool-local"].iter().chain(arguments));
        parsed.map(|parsed| parsed.platform.faults.map(|faults| faults.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_leaves_room_for_the_one_after_it() {
        let port = |text: &str| Arguments::try_parse_from(["rockpool-local", "--port", text]).map(|parsed| parsed.platform.port);
        assert_eq!(port("65534").unwrap(), Some(65_534));
        assert_eq!(port("0").unwrap(), Some(0), "any");
        let refused = port("65535").unwrap_err().to_string();
        assert!(refused.contains("invalid value '65535' for '--port <PORT>'") && refused.contains("65534"), "{refused}");
    }

    #[test]
    fn faults_are_a_profile_and_perhaps_a_seed() {
        assert_eq!(faults(&[]), Ok(None));
        assert_eq!(faults(&["--faults", "bad-day:7"]), Ok(Some("bad-day:7".to_owned())));
        assert!(faults(&["--faults", "calm"]).unwrap().unwrap().starts_with("calm:"));
        let refused = faults(&["--faults", "storm"]).unwrap_err();
        assert!(refused.contains("there are calm, bad-day and regional-outage"), "{refused}");
    }
}
