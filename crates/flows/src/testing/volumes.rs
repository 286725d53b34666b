//! The volumes of a fake world.

use std::time::Duration;

use async_trait::async_trait;
use durable::Attempt;

use crate::ports::{Placed, VolumeSpec, Volumes};
use crate::testing::FakeWorld;

#[async_trait]
impl Volumes for FakeWorld {
    async fn ensure_volume(&self, volume: &VolumeSpec) -> Attempt<Placed<String>> {
        let wanted = volume.clone();
        // The look comes first and the order second, as with the real provider: an order that lands late makes another volume.
        let found = self.provider().listed_volume(&wanted, self.now());
        self.call(format!("ensure_volume {}", wanted.region), Duration::ZERO, move |provider, now| match found {
            Some(found) => Ok(Placed::At(found)),
            None => provider.create_volume(wanted, now),
        })
        .await
    }

    async fn delete_surplus(&self, app: &str, name: &str, _machine: &str, keep: &str) -> Attempt<()> {
        let (app, name, keep) = (app.to_owned(), name.to_owned(), keep.to_owned());
        self.call("delete_surplus".to_owned(), Duration::ZERO, move |provider, now| provider.delete_surplus(&app, &name, &keep, now)).await
    }

    async fn volume_exists(&self, app: &str, _machine: &str, volume: &str) -> Attempt<bool> {
        let (app, id) = (app.to_owned(), volume.to_owned());
        self.call("volume_exists".to_owned(), Duration::ZERO, move |provider, _| {
            Ok(provider.volumes.iter().any(|volume| volume.spec.app == app && volume.id == id))
        })
        .await
    }

    async fn delete_volumes(&self, app: &str, name: &str, known: Option<&str>) -> Attempt<()> {
        let (app, name, known) = (app.to_owned(), name.to_owned(), known.map(str::to_owned));
        self.call("delete_volumes".to_owned(), Duration::ZERO, move |provider, now| {
            provider.delete_volumes(&app, &name, known.as_deref(), now)
        })
        .await
    }
}
