use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::apps::App;
use crate::api::config::Guest;
use crate::api::states::{HostStatus, VolumeState};
use crate::call::{Call, HOST, Repeat};
use crate::error::CallError;
use crate::lenient;

/// A volume to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewVolume {
    /// Not unique at Fly.io: look before creating.
    pub name: String,
    /// The region.
    pub region: String,
    /// Its size. The defaults of Fly.io's pages disagree, so that it is always sent.
    pub size_gb: u32,
    /// The machine it will carry, so that it is placed on a host with room for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Guest>,
}

/// A volume as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VolumeInfo {
    /// `vol_…`.
    #[serde(deserialize_with = "lenient::own_id")]
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Where it is in its life.
    #[serde(default)]
    pub state: VolumeState,
    /// Its region.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub region: String,
    /// Its size.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub size_gb: u32,
    /// The machine it is mounted in.
    #[serde(default, deserialize_with = "lenient::id")]
    pub attached_machine_id: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
    /// Whether its host answers.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_status: HostStatus,
}

/// Volumes: <https://fly.io/docs/machines/api/volumes-resource/>.
impl App<'_> {
    /// The app's volumes. Idempotent. It may show a deleted one as `created` for a moment, and not yet show a new one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn volumes(&self) -> Result<Vec<VolumeInfo>, CallError> {
        Ok(self
            .client
            .read::<Option<Vec<VolumeInfo>>>(Call::get("list_volumes", &["v1", "apps", self.name, "volumes"]))
            .await?
            .unwrap_or_default())
    }

    /// A volume. Idempotent. A deleted one is answered for a day, with its state.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn volume(&self, id: &str) -> Result<VolumeInfo, CallError> {
        self.client.read(Call::get("get_volume", &["v1", "apps", self.name, "volumes", id])).await
    }

    /// Creates a volume. Not idempotent: twice makes two of the same name.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_volume(&self, volume: &NewVolume) -> Result<VolumeInfo, CallError> {
        let call = Call::post("create_volume", Repeat::Never, &["v1", "apps", self.name, "volumes"]).json(volume)?.timeout(HOST);
        self.client.read(call).await
    }

    /// Deletes a volume, which Fly.io keeps for another day. Idempotent.
    ///
    /// # Errors
    /// [`CallError`]; [`crate::Refusal::VolumeBound`] as long as a machine has it.
    pub async fn delete_volume(&self, id: &str) -> Result<(), CallError> {
        let call = Call::delete("delete_volume", &["v1", "apps", self.name, "volumes", id]).timeout(HOST);
        self.client.send(call).await
    }
}
