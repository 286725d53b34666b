use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::environment as names;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::Settings;

/// A gateway's configuration as bytes. Its `Debug` form shows the digest alone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Config(Vec<u8>);

impl Config {
    /// The base64url SHA-256 of the bytes.
    pub(crate) fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.0))
    }

    /// The bytes as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl From<Vec<u8>> for Config {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Config").field(&self.digest()).finish()
    }
}

/// The gateway's configurations: the one that the machine's `files` delivered, one applied since, and the last good one.
///
/// What is applied later is kept on the volume together with the digest of what had been delivered then. It therefore survives a reboot,
/// and gives way as soon as something else is delivered.
#[derive(Debug)]
pub(crate) struct Configs {
    delivered: PathBuf,
    applied: PathBuf,
    last_good: PathBuf,
    installed: PathBuf,
    as_gateway_user: bool,
}

#[derive(Serialize, Deserialize)]
struct Applied<'a> {
    over: String,
    #[serde(borrow)]
    config: &'a RawValue,
}

impl Configs {
    pub(crate) fn new(settings: &Settings) -> Self {
        let own = settings.place(super::volume::OWN);
        Self {
            delivered: settings.place(names::CONFIG),
            applied: own.join("applied.json"),
            last_good: own.join("last-good.json"),
            installed: settings.launch.config(),
            as_gateway_user: settings.drop_privileges,
        }
    }

    /// The configuration that is wanted.
    pub(crate) fn wanted(&self) -> io::Result<Config> {
        let delivered = Config(fs::read(&self.delivered)?);
        let Some(bytes) = kept(&self.applied) else { return Ok(delivered) };
        match serde_json::from_slice::<Applied<'_>>(&bytes) {
            Ok(applied) if applied.over == delivered.digest() => Ok(Config(applied.config.get().as_bytes().to_vec())),
            // Something else was delivered since.
            Ok(_) => Ok(delivered),
            Err(error) => {
                // Its own words may quote a configuration, and with it a secret.
                let (kind, line, column) = (error.classify(), error.line(), error.column());
                tracing::error!(?kind, line, column, "the applied configuration is damaged; the delivered one is used");
                Ok(delivered)
            }
        }
    }

    /// Makes a configuration, which must be JSON, the one that is wanted. The running gateway does not see it before its next start.
    pub(crate) fn apply(&self, config: &Config) -> io::Result<()> {
        let over = fs::read(&self.delivered).map(|bytes| Config(bytes).digest()).unwrap_or_default();
        let config = serde_json::from_slice(&config.0)?;
        write(&self.applied, &serde_json::to_vec(&Applied { over, config })?, false)
    }

    /// The last configuration with which the gateway became ready.
    pub(super) fn last_good(&self) -> Option<Config> {
        kept(&self.last_good).map(Config)
    }

    /// Notes that the gateway became ready with a configuration.
    pub(super) fn note_good(&self, config: &Config) -> io::Result<()> {
        if self.last_good().as_ref() == Some(config) { Ok(()) } else { write(&self.last_good, &config.0, false) }
    }

    /// Puts a configuration where the gateway reads it.
    pub(super) fn install(&self, config: &Config) -> io::Result<()> {
        write(&self.installed, &config.0, self.as_gateway_user)
    }
}

/// What a file of ours on the volume holds. One that cannot be read is as good as none, because the gateway has to start all the same.
fn kept(file: &Path) -> Option<Vec<u8>> {
    let read = fs::read(file);
    if let Err(error) = &read
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(file = %file.display(), error = error as &dyn std::error::Error, "a kept configuration cannot be read");
    }
    read.ok()
}

/// Replaces a file by one of mode 600, as a whole or not at all.
///
/// The folder may be the gateway's, and with it whatever lies there: the new file must not exist (so a link is not followed), and the old
/// one is replaced by name (so a link in its place is replaced, not written through).
fn write(file: &Path, bytes: &[u8], as_gateway_user: bool) -> io::Result<()> {
    let new = file.with_extension("json.rockpool-new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut handle = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    handle.write_all(bytes)?;
    if as_gateway_user {
        std::os::unix::fs::fchown(&handle, Some(names::GATEWAY_USER), Some(names::GATEWAY_USER))?;
    }
    handle.sync_all()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn configs(folder: &Path) -> Configs {
        Configs {
            delivered: folder.join("delivered.json"),
            applied: folder.join("applied.json"),
            last_good: folder.join("last-good.json"),
            installed: folder.join("installed.json"),
            as_gateway_user: false,
        }
    }

    fn config(text: &str) -> Config {
        Config(text.as_bytes().to_vec())
    }

    #[test]
    fn what_was_applied_holds_until_something_else_is_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let configs = configs(folder.path());
        assert!(configs.wanted().is_err(), "nothing was delivered");
        fs::write(&configs.delivered, r#"{"a":1}"#).unwrap();
        assert_eq!(configs.wanted().unwrap(), config(r#"{"a":1}"#));

        configs.apply(&config(r#"{"a": 2}"#)).unwrap();
        assert_eq!(configs.wanted().unwrap(), config(r#"{"a": 2}"#), "byte for byte");
        fs::write(&configs.delivered, r#"{"a":3}"#).unwrap();
        assert_eq!(configs.wanted().unwrap(), config(r#"{"a":3}"#));
    }

    #[test]
    fn a_configuration_is_private_and_replaces_a_link_instead_of_following_it() {
        let folder = tempfile::tempdir().unwrap();
        let configs = configs(folder.path());
        let precious = folder.path().join("precious");
        fs::write(&precious, "untouched").unwrap();
        std::os::unix::fs::symlink(&precious, &configs.installed).unwrap();
        std::os::unix::fs::symlink(&precious, configs.installed.with_extension("json.rockpool-new")).unwrap();

        configs.install(&config("{}")).unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "untouched");
        let installed = fs::symlink_metadata(&configs.installed).unwrap();
        assert!(installed.is_file());
        assert_eq!(installed.permissions().mode() & 0o777, 0o600);
    }
}
