//! Apps, the vault and the alarms.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::InstanceId;
use durable::{Attempt, Setback};
use flows::ports::{Alarms, Apps, SecretValues, SecretVault};

use super::Provider;
use super::sky::App;

#[async_trait]
impl Apps for Provider {
    async fn ensure_app(&self, app: &str, network: &str) -> Attempt<()> {
        let (name, network) = (app.to_owned(), network.to_owned());
        self.call(app, Duration::ZERO, move |sky, _| {
            match sky.apps.get(&name) {
                Some(found) if found.network != network => return Err(Setback::fatal(format!("the app {name} is somebody else's"))),
                // What comes late and finds it there changes nothing.
                Some(_) if sky.is_unseen => return Ok(()),
                Some(_) => {}
                None => drop(sky.apps.insert(name.clone(), App { network, ..App::default() })),
            }
            sky.meet(&name);
            Ok(())
        })
        .await
    }

    async fn set_secrets(&self, app: &str, _: &SecretValues) -> Attempt<u64> {
        let name = app.to_owned();
        self.call(app, Duration::ZERO, move |sky, _| {
            let app = sky.app(&name)?;
            app.secrets_version += 1;
            Ok(app.secrets_version)
        })
        .await
    }

    async fn ensure_addresses(&self, app: &str) -> Attempt<()> {
        let name = app.to_owned();
        self.call(app, Duration::ZERO, move |sky, _| {
            sky.app(&name)?.has_addresses = true;
            Ok(())
        })
        .await
    }

    async fn delete_app(&self, app: &str) -> Attempt<()> {
        let name = app.to_owned();
        self.call(app, Duration::ZERO, move |sky, now| {
            sky.apps.remove(&name);
            sky.note(&name, now);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl SecretVault for Provider {
    async fn ensure_secret(&self, name: &str, _: &[&str]) -> Attempt<()> {
        let secret = name.to_owned();
        self.call("", Duration::ZERO, move |sky, _| {
            if sky.deleted_secrets.contains(&secret) {
                return Err(Setback::fatal(format!("the secret {secret} is scheduled for deletion")));
            }
            if sky.secrets.insert(secret.clone()) || !sky.is_unseen {
                sky.meet(&secret);
            }
            Ok(())
        })
        .await
    }

    async fn read_secret(&self, name: &str) -> Attempt<SecretValues> {
        let secret = name.to_owned();
        self.call("", Duration::ZERO, move |sky, _| {
            let values = BTreeMap::from([("SESSION_KEY".to_owned(), "hush".to_owned())]);
            sky.secrets
                .contains(&secret)
                .then_some(SecretValues(values))
                .ok_or_else(|| Setback::fatal(format!("there is no secret {secret}")))
        })
        .await
    }

    async fn delete_secret(&self, name: &str) -> Attempt<()> {
        let secret = name.to_owned();
        self.call("", Duration::ZERO, move |sky, _| {
            if sky.secrets.remove(&secret) {
                sky.deleted_secrets.insert(secret);
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Alarms for Provider {
    async fn raise(&self, _: &str, instance: &InstanceId, _: &str, request: &str) -> Attempt<()> {
        let (instance, request) = (instance.to_string(), request.to_owned());
        self.call("", Duration::ZERO, move |sky, _| {
            sky.alarms.entry(request).or_insert(instance);
            Ok(())
        })
        .await
    }
}
