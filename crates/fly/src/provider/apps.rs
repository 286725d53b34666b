use std::collections::BTreeMap;

use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{Apps, SecretValues};
use secrecy::SecretString;

use super::setback::setback;
use super::{LISTS_LAG, Provider};
use crate::api::{AddressKind, AppInfo, NewApp};
use crate::client::Client;
use crate::error::CallError;
use crate::refusal::Refusal;

#[async_trait]
impl Apps for Provider {
    async fn ensure_app(&self, app: &str, network: &str) -> Attempt<()> {
        let client = self.client();
        let wanted = NewApp { name: app.to_owned(), org_slug: self.organisation.clone(), network: network.to_owned() };
        let refused = match client.create_app(&wanted).await {
            Ok(()) => return Ok(()),
            // 422 is what is documented for a taken name; 409 was seen too, and not every text is known.
            Err(error) if error.status().is_some_and(|status| matches!(status.as_u16(), 409 | 422)) => error,
            Err(error) => return Err(setback(error)),
        };
        match client.app(app).get().await {
            Ok(found) if self.is_ours(&client, &found, network).await? => Ok(()),
            Ok(_) => Err(somebody_elses(app)),
            Err(error) if error.refusal() == Some(&Refusal::Forbidden) => Err(somebody_elses(app)),
            // Taken a moment ago and not there now: it is being deleted, or its creation is not everywhere yet.
            Err(error) if error.is_not_found() && refused.refusal() == Some(&Refusal::NameTaken) => {
                Err(Setback::not_yet(2, format!("the name of app {app} is taken, but the app does not answer yet")))
            }
            Err(error) if error.is_not_found() => Err(setback(refused)),
            Err(error) => Err(setback(error)),
        }
    }

    async fn set_secrets(&self, app: &str, secrets: &SecretValues) -> Attempt<u64> {
        if secrets.0.is_empty() {
            return Ok(0);
        }
        let values: BTreeMap<_, _> =
            secrets.0.iter().map(|(name, value)| (name.clone(), Some(SecretString::from(value.as_str())))).collect();
        Ok(self.client().app(app).set_secrets(&values).await.map_err(setback)?.0)
    }

    async fn ensure_addresses(&self, app: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let present: Vec<_> = app.addresses().await.map_err(setback)?.iter().filter_map(|address| address.kind()).collect();
        for wanted in [AddressKind::SharedV4, AddressKind::V6] {
            if present.contains(&wanted) {
                continue;
            }
            match app.assign_address(wanted).await {
                Ok(()) => {}
                // That is how a repeat is answered while the list does not show the first one yet.
                Err(error) if error.status().is_some_and(|status| matches!(status.as_u16(), 409 | 422)) => {}
                Err(error) => return Err(setback(error)),
            }
        }
        Ok(())
    }

    async fn delete_app(&self, app: &str) -> Attempt<()> {
        let client = self.client();
        match client.app(app).delete().await {
            Ok(()) => {}
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.refusal() == Some(&Refusal::Forbidden) => return self.unless_listed(&client, app, error).await,
            Err(error) => return Err(setback(error)),
        }
        // Deletion is accepted and done later; a 403 now means that the name has already gone to somebody else.
        match client.app(app).get().await {
            Ok(_) => Err(Setback::not_yet(1, format!("app {app} is being deleted"))),
            Err(error) if error.is_not_found() || error.refusal() == Some(&Refusal::Forbidden) => Ok(()),
            Err(error) => Err(setback(error)),
        }
    }
}

impl Provider {
    /// Whether an app of the planned name is the one that an earlier attempt made: in our organisation, on its own network.
    async fn is_ours(&self, client: &Client, found: &AppInfo, network: &str) -> Attempt<bool> {
        if let (Some(owner), Some(found)) = (&found.organization, &found.network) {
            return Ok(owner.slug == self.organisation && found == network);
        }
        let apps = client.apps(&self.organisation).await.map_err(setback)?;
        // One that answers and is not listed is not in the list yet: it answers nobody but its own organisation.
        let unlisted = || Setback::Retry { after: Some(LISTS_LAG), why: format!("app {} is not listed yet", found.name) };
        let listed = apps.iter().find(|app| app.name == found.name).ok_or_else(unlisted)?;
        Ok(listed.network.as_deref() == Some(network))
    }

    /// A 403 at a deletion: an app that our organisation does not list is another's, so that nothing of ours is left. One that it lists
    /// is ours, and the token is at fault.
    async fn unless_listed(&self, client: &Client, app: &str, error: CallError) -> Attempt<()> {
        let apps = client.apps(&self.organisation).await.map_err(setback)?;
        if apps.iter().any(|listed| listed.name == app) { Err(setback(error)) } else { Ok(()) }
    }
}

fn somebody_elses(app: &str) -> Setback {
    Setback::fatal(format!("the app {app} exists and is not this deployment's"))
}
