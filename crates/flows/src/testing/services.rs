//! Apps, the vault and the alarms of a fake world.

use async_trait::async_trait;
use domain::InstanceId;
use durable::{Attempt, Setback};
use std::time::Duration;

use crate::ports::{Alarms, Apps, SecretValues, SecretVault};
use crate::testing::{FakeApp, FakeWorld};

#[async_trait]
impl Apps for FakeWorld {
    async fn ensure_app(&self, app: &str, network: &str) -> Attempt<()> {
        let (app, network) = (app.to_owned(), network.to_owned());
        self.call("ensure_app".to_owned(), Duration::ZERO, move |provider, _| match provider.apps.get(&app) {
            Some(found) if found.network != network => Err(Setback::fatal(format!("the app {app} is somebody else's"))),
            Some(_) => Ok(()),
            None => {
                provider.apps.insert(app, FakeApp { network, ..FakeApp::default() });
                Ok(())
            }
        })
        .await
    }

    async fn set_secrets(&self, app: &str, secrets: &SecretValues) -> Attempt<u64> {
        let (app, secrets) = (app.to_owned(), secrets.clone());
        self.call("set_secrets".to_owned(), Duration::ZERO, move |provider, _| {
            let app = provider.apps.get_mut(&app).ok_or_else(|| Setback::fatal(format!("there is no app {app}")))?;
            app.secrets = secrets;
            app.secrets_version += 1;
            Ok(app.secrets_version)
        })
        .await
    }

    async fn ensure_addresses(&self, app: &str) -> Attempt<()> {
        let app = app.to_owned();
        self.call("ensure_addresses".to_owned(), Duration::ZERO, move |provider, _| {
            let app = provider.apps.get_mut(&app).ok_or_else(|| Setback::fatal(format!("there is no app {app}")))?;
            app.addresses.extend(["shared_v4", "v6"]);
            Ok(())
        })
        .await
    }

    async fn delete_app(&self, app: &str) -> Attempt<()> {
        let app = app.to_owned();
        self.call("delete_app".to_owned(), Duration::ZERO, move |provider, _| {
            provider.delete_app(&app);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl SecretVault for FakeWorld {
    async fn ensure_secret(&self, name: &str, generated: &[&str]) -> Attempt<()> {
        let name = name.to_owned();
        let fresh = SecretValues(generated.iter().map(|key| ((*key).to_owned(), format!("made at {}", self.now()))).collect());
        self.call("ensure_secret".to_owned(), Duration::ZERO, move |provider, _| {
            if provider.deleted_secrets.contains(&name) {
                return Err(Setback::fatal(format!("the secret {name} is scheduled for deletion")));
            }
            provider.secrets.entry(name).or_insert(fresh);
            Ok(())
        })
        .await
    }

    async fn read_secret(&self, name: &str) -> Attempt<SecretValues> {
        let name = name.to_owned();
        self.call("read_secret".to_owned(), Duration::ZERO, move |provider, _| {
            provider.secrets.get(&name).cloned().ok_or_else(|| Setback::fatal(format!("there is no secret {name}")))
        })
        .await
    }

    async fn delete_secret(&self, name: &str) -> Attempt<()> {
        let name = name.to_owned();
        self.call("delete_secret".to_owned(), Duration::ZERO, move |provider, _| {
            if provider.secrets.remove(&name).is_some() {
                provider.deleted_secrets.insert(name);
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Alarms for FakeWorld {
    async fn raise(&self, alarm: &str, instance: &InstanceId, detail: &str, request: &str) -> Attempt<()> {
        let (request, instance, said) = (request.to_owned(), *instance, format!("{alarm}: {detail}"));
        self.call("raise_alarm".to_owned(), Duration::ZERO, move |provider, _| {
            provider.alarms.entry(request).or_insert((instance, said));
            Ok(())
        })
        .await
    }
}
