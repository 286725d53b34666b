use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{Placed, VolumeSpec, Volumes};

use super::Provider;
use super::machine_config::guest;
use super::setback::setback;
use crate::api::{App, HostStatus, NewVolume, VolumeInfo};
use crate::refusal::Refusal;

#[async_trait]
impl Volumes for Provider {
    async fn ensure_volume(&self, volume: &VolumeSpec) -> Attempt<Placed<String>> {
        let client = self.client();
        let app = client.app(&volume.app);
        let mut found = named(&app, &volume.name).await?;
        // One in another region is what a region that turned out to be full left behind; whoever left it removes it.
        found.retain(|found| found.region == volume.region.code() && found.host_status == HostStatus::Ok);
        // The oldest, so that every look at the same list chooses the same one.
        found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        for candidate in found {
            // The list may still show one that was just deleted.
            match app.volume(&candidate.id).await {
                Ok(seen) if !seen.state.is_gone() => return Ok(Placed::At(seen.id)),
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(setback(error)),
            }
        }
        let wanted = NewVolume {
            name: volume.name.clone(),
            region: volume.region.code().to_owned(),
            size_gb: volume.size_gb,
            compute: Some(guest(volume.machine)),
        };
        match app.create_volume(&wanted).await {
            Ok(created) => Ok(Placed::At(created.id)),
            Err(error) if error.refusal().is_some_and(Refusal::is_want_of_capacity) => Ok(Placed::Full),
            Err(error) => Err(setback(error)),
        }
    }

    async fn delete_surplus(&self, app: &str, name: &str, keep: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let surplus: Vec<_> = named(&app, name).await?.into_iter().filter(|volume| volume.id != keep).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let kept = app.volume(keep).await.map_err(setback)?;
        if kept.state.is_gone() {
            return Err(Setback::fatal(format!("the volume {keep} is gone; others of its name were left alone, one may hold its data")));
        }
        delete_all(&app, &surplus).await
    }

    async fn volume_exists(&self, app: &str, volume: &str) -> Attempt<bool> {
        match self.client().app(app).volume(volume).await {
            Ok(found) => Ok(!found.state.is_gone()),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(setback(error)),
        }
    }

    async fn delete_volumes(&self, app: &str, name: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let volumes = named(&app, name).await?;
        delete_all(&app, &volumes).await
    }
}

/// Every volume of a name that is not gone; none if the app itself is gone.
async fn named(app: &App<'_>, name: &str) -> Attempt<Vec<VolumeInfo>> {
    match app.volumes().await {
        Ok(volumes) => Ok(volumes.into_iter().filter(|volume| volume.name == name && !volume.state.is_gone()).collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(setback(error)),
    }
}

async fn delete_all(app: &App<'_>, volumes: &[VolumeInfo]) -> Attempt<()> {
    for volume in volumes {
        match app.delete_volume(&volume.id).await {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(setback(error)),
        }
    }
    Ok(())
}
