use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use access::KeySet;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::environment as names;
use gateway::{Launch, Release};
use http::Uri;

use crate::SupervisorError;

/// What the supervisor is told by its environment; the names and defaults are those of [`gateway::environment`].
pub struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: SocketAddr,
    pub(crate) root: PathBuf,
    pub(crate) instance: String,
    pub(crate) release: Release,
    pub(crate) origin: Origin,
    pub(crate) access_keys: KeySet,
    pub(crate) control_keys: KeySet,
    pub(crate) session_key: [u8; 32],
    pub(crate) program: Vec<String>,
    pub(crate) lifeline: bool,
    pub(crate) launch: Launch,
    /// Whether the gateway is to run as [`names::GATEWAY_USER`]: never where the folders are below another root, which is somebody's own
    /// host.
    pub(crate) drop_privileges: bool,
}

/// The instance's public origin (RFC 6454), taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) text: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
}

impl Settings {
    /// Reads the settings through a function that looks a variable up.
    ///
    /// # Errors
    /// [`SupervisorError::Setting`] naming the first variable that is missing or has no meaning.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SupervisorError> {
        let read = Reader(&variable);
        let root = PathBuf::from(variable(names::ROOT).unwrap_or_else(|| names::ROOT_DEFAULT.to_owned()));
        let release = Release { family: read.parsed(names::FAMILY, None)?, version: read.text(names::VERSION)? };
        let port = read.parsed(names::GATEWAY_PORT, Some(names::GATEWAY_PORT_DEFAULT))?;
        let memory_mb = read.parsed(names::FLY_VM_MEMORY_MB, Some(2048))?;
        let (access_keys, control_keys) = (read.keys(names::ACCESS_KEYS)?, read.keys(names::CONTROL_KEYS)?);
        if access_keys.shares_a_key_with(&control_keys) {
            return Err(refused(names::CONTROL_KEYS, "shares a key with the access keys"));
        }
        Ok(Self {
            listen: read.parsed(names::LISTEN, Some(default(names::LISTEN_DEFAULT)))?,
            metrics_listen: read.parsed(names::METRICS_LISTEN, Some(default(names::METRICS_LISTEN_DEFAULT)))?,
            instance: read.text(names::INSTANCE)?,
            origin: read.origin(names::ADDRESS)?,
            access_keys,
            control_keys,
            session_key: read.session_key(names::SESSION_KEY)?,
            program: read.program(names::GATEWAY_PROGRAM)?,
            lifeline: read.lifeline(names::LIFELINE)?,
            launch: Launch::below(&root, release.family, port, memory_mb),
            drop_privileges: nix::unistd::geteuid().is_root() && root == Path::new(names::ROOT_DEFAULT),
            root,
            release,
        })
    }

    /// Where the machine's absolute path is on this host.
    pub(crate) fn place(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The address of the gateway. Both families bind IPv4 only.
    pub(crate) fn gateway_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), self.launch.port)
    }
}

struct Reader<'a, F>(&'a F);

impl<F: Fn(&str) -> Option<String>> Reader<'_, F> {
    fn text(&self, name: &'static str) -> Result<String, SupervisorError> {
        (self.0)(name).filter(|text| !text.is_empty()).ok_or_else(|| refused(name, "is not set"))
    }

    fn parsed<T: std::str::FromStr>(&self, name: &'static str, default: Option<T>) -> Result<T, SupervisorError>
    where
        T::Err: std::fmt::Display,
    {
        match ((self.0)(name), default) {
            (None, Some(default)) => Ok(default),
            _ => self.text(name)?.parse().map_err(|error| refused(name, format!("has no meaning: {error}"))),
        }
    }

    fn keys(&self, name: &'static str) -> Result<KeySet, SupervisorError> {
        KeySet::from_jwks(&self.text(name)?).map_err(|error| refused(name, format!("has no meaning: {error}")))
    }

    fn session_key(&self, name: &'static str) -> Result<[u8; 32], SupervisorError> {
        let bytes = URL_SAFE_NO_PAD.decode(self.text(name)?.trim_end_matches('=')).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| refused(name, "is not 32 bytes in base64url"))
    }

    fn program(&self, name: &'static str) -> Result<Vec<String>, SupervisorError> {
        match serde_json::from_str::<Vec<String>>(&self.text(name)?) {
            Ok(words) if !words.is_empty() => Ok(words),
            _ => Err(refused(name, "is not a JSON array of at least one string")),
        }
    }

    fn lifeline(&self, name: &'static str) -> Result<bool, SupervisorError> {
        match (self.0)(name).as_deref() {
            None | Some("") => Ok(false),
            Some(names::LIFELINE_STDIN) => Ok(true),
            Some(_) => Err(refused(name, "can only be `stdin`")),
        }
    }

    fn origin(&self, name: &'static str) -> Result<Origin, SupervisorError> {
        let uri: Uri = self.parsed(name, None)?;
        match (uri.scheme_str(), uri.authority(), uri.path()) {
            (Some(scheme @ ("http" | "https")), Some(authority), "/" | "") if !authority.as_str().contains('@') => {
                let authority = authority.as_str().to_ascii_lowercase();
                Ok(Origin { text: format!("{scheme}://{authority}"), scheme: scheme.to_owned(), authority })
            }
            _ => Err(refused(name, "is not an origin such as https://example.fly.dev")),
        }
    }
}

fn default(address: &str) -> SocketAddr {
    address.parse().expect("the default addresses are socket addresses")
}

fn refused(name: &'static str, problem: impl Into<String>) -> SupervisorError {
    SupervisorError::Setting { name, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::SigningKey;
    use std::collections::BTreeMap;

    fn good() -> BTreeMap<&'static str, String> {
        let keys = || KeySet::of([SigningKey::generate().unwrap().public()]).to_jwks();
        BTreeMap::from([
            (names::INSTANCE, "ins_1".to_owned()),
            (names::FAMILY, "openclaw".to_owned()),
            (names::VERSION, "2026.9.6".to_owned()),
            (names::ADDRESS, "https://Rp-Test.fly.dev/".to_owned()),
            (names::ACCESS_KEYS, keys()),
            (names::CONTROL_KEYS, keys()),
            (names::SESSION_KEY, URL_SAFE_NO_PAD.encode([7; 32])),
            (names::GATEWAY_PROGRAM, r#"["node","openclaw.mjs"]"#.to_owned()),
        ])
    }

    fn read(variables: &BTreeMap<&'static str, String>) -> Result<Settings, String> {
        Settings::from_variables(|name| variables.get(name).cloned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_machine_of_fly_needs_no_more_than_what_has_no_default() {
        let settings = read(&good()).unwrap();
        assert_eq!(settings.listen.to_string(), "[::]:8080");
        assert_eq!(settings.gateway_address().to_string(), "127.0.0.1:18789");
        assert_eq!(settings.origin.text, "https://rp-test.fly.dev");
        assert_eq!(settings.place("/data/state"), Path::new("/data/state"));
    }

    #[test]
    fn every_variable_without_a_default_is_missed_by_name() {
        for name in good().keys().copied() {
            let mut without = good();
            without.remove(name);
            let error = read(&without).err().unwrap();
            assert!(error.contains(name), "{error} does not name {name}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused_without_being_repeated() {
        for (name, value) in [
            (names::LISTEN, "8080"),
            (names::FAMILY, "moltbot"),
            (names::ADDRESS, "rp.fly.dev"),
            (names::ADDRESS, "ftp://rp.fly.dev"),
            (names::ADDRESS, "https://rp.fly.dev/path"),
            (names::ACCESS_KEYS, "{}"),
            (names::SESSION_KEY, "c2VjcmV0"),
            (names::GATEWAY_PROGRAM, "node"),
            (names::GATEWAY_PROGRAM, "[]"),
            (names::LIFELINE, "3"),
            (names::GATEWAY_PORT, "70000"),
        ] {
            let mut spoiled = good();
            spoiled.insert(name, value.to_owned());
            let error = read(&spoiled).err().unwrap_or_else(|| panic!("{name}={value} was accepted"));
            assert!(error.contains(name), "{error} does not name {name}");
            assert!(!error.contains("c2VjcmV0"), "{error} repeats a secret");
        }
    }

    #[test]
    fn control_tokens_need_a_key_of_their_own() {
        let mut same = good();
        same.insert(names::CONTROL_KEYS, same[names::ACCESS_KEYS].clone());
        assert!(read(&same).err().unwrap().contains("shares a key"));
    }
}
