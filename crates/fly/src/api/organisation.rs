use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::machines::ObservedConfig;
use crate::api::states::{MachineState, VolumeState};
use crate::call::Call;
use crate::client::Client;
use crate::error::CallError;
use crate::lenient;

/// A page of what an organisation has in all its apps. It lags behind, and may be short or empty while more remain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationPage<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask with for the next page; absent after the last.
    pub next_cursor: Option<String>,
    /// Regions that did not answer: what is there is missing here, and must not be taken for gone.
    pub error_regions: Vec<String>,
}

/// A machine in the list of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrganisationMachine {
    /// The app.
    pub app_name: String,
    /// Its identifier.
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
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
    /// A part of its configuration, with the metadata.
    #[serde(default)]
    config: Option<ObservedConfig>,
}

impl OrganisationMachine {
    /// What it is found by, as far as it is known.
    #[must_use]
    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.config.as_ref().map(|config| &config.metadata)
    }
}

/// A volume in the list of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrganisationVolume {
    /// The app.
    pub app_name: String,
    /// Its identifier.
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
    /// The machine it is mounted in.
    #[serde(default, deserialize_with = "lenient::id")]
    pub attached_machine_id: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Form<T> {
    #[serde(alias = "machines", alias = "volumes", default = "none", deserialize_with = "lenient::or_default")]
    items: Vec<T>,
    #[serde(default, deserialize_with = "lenient::id")]
    next_cursor: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    error_regions: Vec<String>,
}

fn none<T>() -> Vec<T> {
    Vec::new()
}

impl Client {
    /// A page of an organisation's machines, up to a thousand. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn organisation_machines(
        &self,
        org_slug: &str,
        cursor: Option<&str>,
    ) -> Result<OrganisationPage<OrganisationMachine>, CallError> {
        self.organisation_page("list_org_machines", org_slug, "machines", cursor).await
    }

    /// A page of an organisation's volumes, up to a thousand. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn organisation_volumes(
        &self,
        org_slug: &str,
        cursor: Option<&str>,
    ) -> Result<OrganisationPage<OrganisationVolume>, CallError> {
        self.organisation_page("list_org_volumes", org_slug, "volumes", cursor).await
    }

    async fn organisation_page<T: DeserializeOwned>(
        &self,
        name: &'static str,
        org_slug: &str,
        of: &str,
        cursor: Option<&str>,
    ) -> Result<OrganisationPage<T>, CallError> {
        let call = Call::get(name, &["v1", "orgs", org_slug, of]).query("limit", 1000).query_if("cursor", cursor);
        let Form { items, next_cursor, error_regions } = self.read(call).await?;
        Ok(OrganisationPage { items, next_cursor, error_regions })
    }
}
