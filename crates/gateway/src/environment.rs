//! The names of a tenant machine's environment, and where things are in it.
//!
//! Whoever renders a machine's configuration and the supervisor that reads it inside the machine both take the names from here.
//! Paths are those of the machine as it is on Fly.io; on a host of processes they are resolved below [`ROOT`].

/// Socket address the supervisor listens on.
pub const LISTEN: &str = "ROCKPOOL_LISTEN";
/// [`LISTEN`] where it is not set: every address of both families, since Fly's private network is IPv6 only.
pub const LISTEN_DEFAULT: &str = "[::]:8080";
/// Socket address of the supervisor's `/metrics`.
pub const METRICS_LISTEN: &str = "ROCKPOOL_METRICS_LISTEN";
/// [`METRICS_LISTEN`] where it is not set; no service publishes this port.
pub const METRICS_LISTEN_DEFAULT: &str = "[::]:9091";
/// Loopback port that the gateway gets.
pub const GATEWAY_PORT: &str = "ROCKPOOL_GATEWAY_PORT";
/// [`GATEWAY_PORT`] where it is not set: the gateway's own default.
pub const GATEWAY_PORT_DEFAULT: u16 = 18_789;
/// Folder below which the machine's absolute paths are resolved; `/` where it is not set.
pub const ROOT: &str = "ROCKPOOL_ROOT";
/// [`ROOT`] where it is not set.
pub const ROOT_DEFAULT: &str = "/";
/// The instance's identifier (`ins_…`): the audience of access and control tokens.
pub const INSTANCE: &str = "ROCKPOOL_INSTANCE";
/// The gateway's family, `openclaw` or `clawdbot`.
pub const FAMILY: &str = "ROCKPOOL_FAMILY";
/// The gateway's version, as its npm package writes it.
pub const VERSION: &str = "ROCKPOOL_VERSION";
/// The instance's public origin: scheme, host and, where it is not the default, port.
pub const ADDRESS: &str = "ROCKPOOL_ADDRESS";
/// JWKS (RFC 7517) with the public Ed25519 keys of instance tokens and one-time links.
pub const ACCESS_KEYS: &str = "ROCKPOOL_ACCESS_KEYS";
/// JWKS (RFC 7517) with the public Ed25519 keys of control tokens.
pub const CONTROL_KEYS: &str = "ROCKPOOL_CONTROL_KEYS";
/// Secret: 32 bytes in base64url that authenticate the supervisor's session cookies.
pub const SESSION_KEY: &str = "ROCKPOOL_SESSION_KEY";
/// JSON array: the argv prefix that starts the gateway program. The supervisor appends [`crate::Launch::arguments`].
pub const GATEWAY_PROGRAM: &str = "ROCKPOOL_GATEWAY_PROGRAM";
/// Only on a host of processes, with the value [`LIFELINE_STDIN`]: standard input is a pipe whose end means that the host is gone.
pub const LIFELINE: &str = "ROCKPOOL_LIFELINE";
/// The only value of [`LIFELINE`].
pub const LIFELINE_STDIN: &str = "stdin";

/// The Fly app (<https://fly.io/docs/machines/runtime-environment/>, as are the next six).
pub const FLY_APP_NAME: &str = "FLY_APP_NAME";
/// The machine's identifier.
pub const FLY_MACHINE_ID: &str = "FLY_MACHINE_ID";
/// The region's code.
pub const FLY_REGION: &str = "FLY_REGION";
/// The machine's memory in MiB.
pub const FLY_VM_MEMORY_MB: &str = "FLY_VM_MEMORY_MB";
/// The image the machine booted from.
pub const FLY_IMAGE_REF: &str = "FLY_IMAGE_REF";
/// The version of the machine's configuration.
pub const FLY_MACHINE_VERSION: &str = "FLY_MACHINE_VERSION";
/// The machine's address on the private network.
pub const FLY_PRIVATE_IP: &str = "FLY_PRIVATE_IP";

/// Where the volume is mounted.
pub const DATA: &str = "/data";
/// The gateway's home folder, on the volume: both families keep things in it whatever their state folder is.
pub const HOME: &str = "/data/home";
/// The gateway's state folder.
pub const STATE: &str = "/data/state";
/// The agent's workspace.
pub const WORKSPACE: &str = "/data/workspace";
/// The gateway's temporary folder: on the volume, because Fly empties `/tmp` at each boot and Clawdbot compiles its plugins there.
pub const TEMPORARY: &str = "/data/tmp";
/// The rendered configuration as the machine's `files` deliver it. The supervisor copies it into the state folder.
pub const CONFIG: &str = "/etc/rockpool/gateway.json";

/// The user and the group that the gateway runs as where the supervisor is root, `node` in the upstream images; what the gateway must write
/// is theirs.
pub const GATEWAY_USER: u32 = 1000;

/// The port that the machine's service publishes: that of [`LISTEN_DEFAULT`].
pub const SERVICE_PORT: u16 = 8080;
/// The port that Fly scrapes: that of [`METRICS_LISTEN_DEFAULT`].
pub const METRICS_PORT: u16 = 9091;

/// Set for the gateway's process: where its workspace really is. Rendered configurations name it as `${ROCKPOOL_WORKSPACE}`, so that
/// the same bytes fit a machine at Fly and a process below a [`ROOT`].
pub const GATEWAY_WORKSPACE: &str = "ROCKPOOL_WORKSPACE";
/// Set for the gateway's process: the file it logs to, named in rendered configurations as `${ROCKPOOL_LOG}`. Its default is a file in
/// `/tmp` that every gateway on a host would share.
pub const GATEWAY_LOG: &str = "ROCKPOOL_LOG";
