use serde::{Deserialize, Serialize};

use crate::api::machines::MachineHandle;
use crate::call::{Call, HOST, Repeat};
use crate::client::Client;
use crate::error::CallError;
use crate::lenient;

/// The calls about one app: <https://fly.io/docs/machines/api/apps-resource/>.
#[derive(Debug, Clone, Copy)]
pub struct App<'c> {
    pub(crate) client: &'c Client,
    pub(crate) name: &'c str,
}

/// An app to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewApp {
    /// Global, and the first label of `<name>.fly.dev`: lower-case letters, digits and dashes, under 63 characters.
    pub name: String,
    /// The organisation.
    pub org_slug: String,
    /// The private network it lives in. It can never be changed.
    pub network: String,
}

/// An app as it answers for itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppInfo {
    /// Its name.
    pub name: String,
    /// `pending`, `deployed`, `suspended`…
    #[serde(default)]
    pub status: Option<String>,
    /// Who owns it.
    #[serde(default)]
    pub organization: Option<OrganisationInfo>,
    /// Its private network; absent in some answers, see [`Client::apps`].
    #[serde(default, deserialize_with = "lenient::id")]
    pub network: Option<String>,
}

/// The organisation that an app belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrganisationInfo {
    /// Its slug.
    pub slug: String,
}

/// An app in the list of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppSummary {
    /// Its name.
    pub name: String,
    /// Its private network.
    #[serde(default, deserialize_with = "lenient::id")]
    pub network: Option<String>,
    /// How many machines it has.
    #[serde(default)]
    pub machine_count: u32,
    /// How many volumes it has.
    #[serde(default)]
    pub volume_count: u32,
}

impl Client {
    /// Creates an app. Safe to repeat in that the second one is refused with [`crate::Refusal::NameTaken`], so that a lost answer is never
    /// resent here: the refusal would hide that it was ours.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_app(&self, app: &NewApp) -> Result<(), CallError> {
        // `wait=true` is what flyctl sends: the app is usable when the answer comes. The answer does not echo the app.
        let call = Call::post("create_app", Repeat::Never, &["v1", "apps"]).query("wait", true).json(app)?.timeout(HOST);
        self.send(call).await
    }

    /// Every app of an organisation. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn apps(&self, org_slug: &str) -> Result<Vec<AppSummary>, CallError> {
        #[derive(Deserialize)]
        struct Apps {
            // An answer without it is another one, and must not be taken for an organisation without apps.
            #[serde(deserialize_with = "lenient::or_default")]
            apps: Vec<AppSummary>,
        }
        Ok(self.read::<Apps>(Call::get("list_apps", &["v1", "apps"]).query("org_slug", org_slug)).await?.apps)
    }
}

impl<'c> App<'c> {
    /// The app. Idempotent.
    ///
    /// # Errors
    /// [`CallError`]; the name of another organisation's app is [`crate::Refusal::Forbidden`], a free name [`crate::Refusal::NotFound`].
    pub async fn get(&self) -> Result<AppInfo, CallError> {
        self.client.read(Call::get("get_app", &["v1", "apps", self.name])).await
    }

    /// The calls about one machine of the app.
    #[must_use]
    pub fn machine(&self, id: &'c str) -> MachineHandle<'c> {
        MachineHandle { app: *self, id, nonce: None }
    }

    /// Deletes the app with its machines, volumes, secrets, addresses and certificates. Idempotent; it is accepted and done later.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete(&self) -> Result<(), CallError> {
        let call = Call::delete("delete_app", &["v1", "apps", self.name]).query("force", true).timeout(HOST);
        self.client.send(call).await
    }
}
