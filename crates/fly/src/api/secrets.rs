use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::api::apps::App;
use crate::call::{Call, Repeat};
use crate::error::CallError;
use crate::lenient;

/// A version of an app's secrets. Each write makes a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretsVersion(pub u64);

/// A secret without its value, which Fly.io does not give back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecretInfo {
    /// The environment variable.
    pub name: String,
    /// Changes with the value.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub digest: String,
}

/// An app's secrets: environment variables of every machine of the app, from its next boot on.
impl App<'_> {
    /// Sets secrets, or removes those without a value. Idempotent but for the version. The version is what
    /// [`crate::api::NewMachine::min_secrets_version`] takes: without it a boot can miss a write that went before.
    ///
    /// # Errors
    /// [`CallError`], without the server's text, which might quote a value.
    pub async fn set_secrets(&self, values: &BTreeMap<String, Option<SecretString>>) -> Result<SecretsVersion, CallError> {
        #[derive(Serialize)]
        struct Request<'a> {
            values: BTreeMap<&'a str, Option<&'a str>>,
        }
        // Fly.io writes the version twice, once in an older spelling that may be alone. An answer without any is another one: taken for
        // version 0 it would let machines boot without these secrets.
        #[derive(Deserialize)]
        struct Form {
            #[serde(default)]
            version: Option<u64>,
            #[serde(default, rename = "Version")]
            older: Option<u64>,
        }
        #[derive(Deserialize)]
        #[serde(try_from = "Form")]
        struct Written(u64);
        impl TryFrom<Form> for Written {
            type Error = &'static str;

            fn try_from(form: Form) -> Result<Self, &'static str> {
                form.version.or(form.older).map(Self).ok_or("no version")
            }
        }
        let values = values.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(ExposeSecret::expose_secret))).collect();
        let call = Call::post("set_secrets", Repeat::Safe, &["v1", "apps", self.name, "secrets"]);
        let written: Written = self.client.read(call.sensitive().json(&Request { values })?).await?;
        Ok(SecretsVersion(written.0))
    }

    /// The names of the app's secrets. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn secrets(&self) -> Result<Vec<SecretInfo>, CallError> {
        #[derive(Deserialize)]
        struct Secrets {
            #[serde(deserialize_with = "lenient::or_default")]
            secrets: Vec<SecretInfo>,
        }
        Ok(self.client.read::<Secrets>(Call::get("list_secrets", &["v1", "apps", self.name, "secrets"])).await?.secrets)
    }
}
