use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::api::apps::App;
use crate::api::config::MachineConfig;
use crate::api::secrets::SecretsVersion;
use crate::api::states::{HostStatus, MachineState};
use crate::call::{Call, HOST, Repeat};
use crate::error::CallError;
use crate::lenient;

/// The calls about one machine: <https://fly.io/docs/machines/api/machines-resource/>.
#[derive(Debug, Clone)]
pub struct MachineHandle<'c> {
    pub(crate) app: App<'c>,
    pub(crate) id: &'c str,
    pub(crate) nonce: Option<SecretString>,
}

/// A machine to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewMachine {
    /// Unique among the live machines of the app: a second create under the same name is refused and names the first.
    pub name: String,
    /// The region; a mounted volume must be there.
    pub region: String,
    /// What it runs.
    pub config: MachineConfig,
    /// The boot waits until the app's secrets are at least of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<SecretsVersion>,
    /// Leaves it off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_launch: bool,
}

/// A new configuration for a machine, which replaces the old one as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateMachine {
    /// What it runs from now on.
    pub config: MachineConfig,
    /// The version (`instance_id`) that is replaced; refused if there is a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// The boot waits until the app's secrets are at least of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<SecretsVersion>,
    /// Leaves a stopped one off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_launch: bool,
}

/// A machine as it is observed.
#[derive(Debug, Clone, Deserialize)]
pub struct Machine {
    /// Stable for the machine's life.
    #[serde(deserialize_with = "lenient::own_id")]
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Where it is in its life.
    #[serde(default)]
    pub state: MachineState,
    /// Its region.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub region: String,
    /// Its version; each configuration makes a new one.
    #[serde(default, deserialize_with = "lenient::id")]
    pub instance_id: Option<String>,
    /// Its address on the app's private network. It changes when Fly.io moves the machine.
    #[serde(default, deserialize_with = "lenient::id")]
    pub private_ip: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, deserialize_with = "lenient::time")]
    pub updated_at: Option<Timestamp>,
    /// Whether its host answers.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_status: HostStatus,
    /// What it runs; absent while its host does not answer.
    #[serde(default)]
    pub config: Option<ObservedConfig>,
    /// The part of it that is known while its host does not answer.
    #[serde(default)]
    pub incomplete_config: Option<ObservedConfig>,
    /// Its checks.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checks: Vec<CheckStatus>,
    /// What happened to it, newest first.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub events: Vec<Event>,
}

impl Machine {
    /// Its configuration, or what is known of it.
    #[must_use]
    pub fn known_config(&self) -> Option<&ObservedConfig> {
        self.config.as_ref().or(self.incomplete_config.as_ref())
    }
}

/// What is read of a machine's configuration: never enough to send it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ObservedConfig {
    /// The image.
    #[serde(default, deserialize_with = "lenient::id")]
    pub image: Option<String>,
    /// What it is found by.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Its volumes. Their identifiers change when Fly.io moves the machine.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub mounts: Vec<ObservedMount>,
}

/// A mounted volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ObservedMount {
    /// The volume's identifier.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub volume: String,
    /// Where it is mounted.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub path: String,
}

/// A check's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckStatus {
    /// The key in `checks`, or `servicecheck-NN-http-PORT`.
    pub name: String,
    /// `passing`, `warning` or `critical`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: String,
    /// What was answered.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub output: String,
}

/// Something that happened to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Unique.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub id: String,
    /// `launch`, `start`, `stop`, `exit`, `restart`, `update`, `destroy`… No complete list is known.
    #[serde(rename = "type", default, deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// The state that it led to.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: String,
    /// `user` or `flyd`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source: String,
    /// Unix time in milliseconds.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub timestamp: i64,
    /// What belongs to it.
    #[serde(default)]
    request: Option<EventRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct EventRequest {
    #[serde(default)]
    exit_event: Option<ExitEvent>,
    #[serde(default, rename = "MonitorEvent")]
    monitor_event: Option<MonitorEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct MonitorEvent {
    #[serde(default)]
    exit_event: Option<ExitEvent>,
}

/// How a machine's main process ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExitEvent {
    /// Its exit code, which Fly.io leaves out when it is zero.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub exit_code: i32,
    /// Whether the kernel killed it for want of memory.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub oom_killed: bool,
    /// Whether somebody had asked for it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub requested_stop: bool,
}

impl Event {
    /// How the main process ended, if this is about that. Fly.io puts it in one of two places.
    #[must_use]
    pub fn exit(&self) -> Option<&ExitEvent> {
        let request = self.request.as_ref()?;
        request.exit_event.as_ref().or_else(|| request.monitor_event.as_ref()?.exit_event.as_ref())
    }
}

/// Which machines of an app to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineFilter {
    /// Only those with these metadata.
    pub metadata: BTreeMap<String, String>,
    /// Destroyed ones too.
    pub include_deleted: bool,
}

impl<'c> App<'c> {
    /// Creates a machine and boots it; the answer comes while its image is still being fetched. Not idempotent, but a second create under
    /// the same name is refused with [`crate::Refusal::MachineNameTaken`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_machine(&self, machine: &NewMachine) -> Result<Machine, CallError> {
        let call = Call::post("create_machine", Repeat::Never, &["v1", "apps", self.name, "machines"]).json(machine)?.timeout(HOST);
        self.client.read(call).await
    }

    /// The app's machines. Idempotent. It lags behind: wait at least 2 s after an ambiguous create before trusting an absence.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn machines(&self, filter: &MachineFilter) -> Result<Vec<Machine>, CallError> {
        let mut call = Call::get("list_machines", &["v1", "apps", self.name, "machines"]);
        for (key, value) in &filter.metadata {
            call = call.query(&format!("metadata.{key}"), value);
        }
        if filter.include_deleted {
            call = call.query("include_deleted", true);
        }
        Ok(self.client.read::<Option<Vec<Machine>>>(call).await?.unwrap_or_default())
    }
}

impl<'c> MachineHandle<'c> {
    /// The same machine, with the nonce of a lease that we hold: without it a leased machine refuses `start` and `update`, and lets `stop`
    /// and `destroy` hang until the lease ends.
    #[must_use]
    pub fn holding(self, nonce: SecretString) -> Self {
        Self { nonce: Some(nonce), ..self }
    }

    pub(crate) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["v1", "apps", self.app.name, "machines", self.id], rest].concat()
    }

    fn verb(&self, name: &'static str, repeat: Repeat, verb: &str) -> Call {
        Call::post(name, repeat, &self.path(&[verb])).nonce(self.nonce.as_ref()).timeout(HOST)
    }

    /// The machine. Idempotent. A destroyed one is answered for a while, with that state.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self) -> Result<Machine, CallError> {
        self.app.client.read(Call::get("get_machine", &self.path(&[]))).await
    }

    /// Replaces the configuration; a running machine reboots. Not idempotent without `current_version`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update(&self, update: &UpdateMachine) -> Result<Machine, CallError> {
        let call = Call::post("update_machine", Repeat::Never, &self.path(&[]));
        let call = call.nonce(self.nonce.as_ref()).json(update)?.timeout(HOST);
        self.app.client.read(call).await
    }

    /// Starts it. What a started machine answers is not known, so that it is not resent: look first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn start(&self) -> Result<(), CallError> {
        self.app.client.send(self.verb("start_machine", Repeat::Never, "start")).await.map(drop)
    }

    /// Stops it with the signal and time-out of its configuration. It is accepted and done later. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stop(&self) -> Result<(), CallError> {
        let call = self.verb("stop_machine", Repeat::Safe, "stop").json(&serde_json::json!({}))?;
        self.app.client.send(call).await
    }

    /// Restarts it. Not idempotent: twice is two interruptions.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn restart(&self) -> Result<(), CallError> {
        self.app.client.send(self.verb("restart_machine", Repeat::Never, "restart")).await.map(drop)
    }

    /// Destroys it, running or not. It is accepted and done later; a volume stays bound until then. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn destroy(&self) -> Result<(), CallError> {
        let call = Call::delete("delete_machine", &self.path(&[])).query("force", true).nonce(self.nonce.as_ref()).timeout(HOST);
        self.app.client.send(call).await
    }

    /// What happened to it, newest first, at most `limit` (50 at most). Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn events(&self, limit: u32) -> Result<Vec<Event>, CallError> {
        let call = Call::get("list_events", &self.path(&["events"])).query("limit", limit.clamp(1, 50));
        Ok(self.app.client.read::<Option<Vec<Event>>>(call).await?.unwrap_or_default())
    }
}
