use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{Placed, VolumeSpec, Volumes};

use super::machine_config::guest;
use super::machines::{destroy_holder, mounted};
use super::setback::setback;
use super::{LISTS_LAG, Provider};
use crate::api::{App, HostStatus, NewVolume, VolumeInfo};
use crate::error::CallError;
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

    async fn delete_surplus(&self, app: &str, name: &str, machine: &str, keep: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let others = named(&app, name).await?.into_iter().filter(|volume| volume.id != keep);
        // One that the machine has is the copy with which it was moved to another host.
        let (moved, surplus): (Vec<_>, Vec<_>) = others.partition(|volume| volume.attached_machine_id.as_deref() == Some(machine));
        if surplus.is_empty() {
            return Ok(());
        }
        let kept = app.volume(keep).await.map_err(setback)?;
        if kept.state.is_gone() && moved.is_empty() {
            return Err(Setback::fatal(format!("the volume {keep} is gone; others of its name were left alone, one may hold its data")));
        }
        for volume in &surplus {
            delete(&app, volume).await?.map_err(setback)?;
        }
        Ok(())
    }

    async fn volume_exists(&self, app: &str, machine: &str, volume: &str) -> Attempt<bool> {
        let client = self.client();
        let app = client.app(app);
        if seen(&app, volume).await?.is_some() || successor(&app, machine, volume).await?.is_some() {
            return Ok(true);
        }
        // "Missing" is the end of a start and calls a person, so that a single copy's word is not enough for it.
        let is_it = |listed: &VolumeInfo| listed.id == volume || listed.attached_machine_id.as_deref() == Some(machine);
        match app.volumes().await {
            Ok(listed) if listed.iter().any(|listed| is_it(listed) && !listed.state.is_gone()) => {
                Err(Setback::Retry { after: Some(LISTS_LAG), why: format!("volume {volume} is listed, but does not answer yet") })
            }
            Ok(_) => Ok(false),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(setback(error)),
        }
    }

    async fn delete_volumes(&self, app: &str, name: &str, known: Option<&str>) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let mut bound = None;
        let mut volumes = named(&app, name).await?;
        if let Some(known) = known.filter(|known| volumes.iter().all(|volume| volume.id != *known)) {
            volumes.extend(seen(&app, known).await?);
        }
        for volume in volumes {
            let Err(refused) = delete(&app, &volume).await? else { continue };
            // Nobody else would ever remove that machine, and the volume would wait for it until the deadline.
            let holder = match refused.refusal() {
                Some(Refusal::VolumeBound { machine: Some(machine) }) => Some(machine),
                _ => volume.attached_machine_id.as_ref(),
            };
            if let Some(holder) = holder {
                destroy_holder(&app, holder).await?;
            }
            bound = Some(refused);
        }
        bound.map_or(Ok(()), |refused| Err(setback(refused)))
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

/// The volume that a machine has instead of the one on record.
///
/// Fly.io moves machines to other hosts, with a copy of their volume that has another identifier, and names it in the machine's configuration
/// (<https://fly.io/docs/reference/machine-migration/>). A volume that the machine names and does not hold is none of its own.
async fn successor(app: &App<'_>, machine: &str, recorded: &str) -> Attempt<Option<VolumeInfo>> {
    let Some(named) = mounted(app, machine).await?.filter(|named| named != recorded) else { return Ok(None) };
    let found = seen(app, &named).await?.filter(|found| found.attached_machine_id.as_deref() == Some(machine));
    if let Some(found) = &found {
        tracing::info!(machine, volume = found.id, recorded, "the machine was moved and has another volume now");
    }
    Ok(found)
}

/// A volume, unless it is gone, or too new to be seen.
async fn seen(app: &App<'_>, id: &str) -> Attempt<Option<VolumeInfo>> {
    match app.volume(id).await {
        Ok(volume) => Ok(Some(volume).filter(|volume| !volume.state.is_gone())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(setback(error)),
    }
}

/// Deletes one volume. The inner error is the refusal of one that a machine holds.
async fn delete(app: &App<'_>, volume: &VolumeInfo) -> Attempt<Result<(), CallError>> {
    match app.delete_volume(&volume.id).await {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.is_not_found() => Ok(Ok(())),
        Err(error) if matches!(error.refusal(), Some(Refusal::VolumeBound { .. } | Refusal::VolumeClaimed)) => Ok(Err(error)),
        Err(error) => Err(setback(error)),
    }
}
