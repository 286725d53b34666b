use std::time::Duration;

use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{Placed, VolumeSpec, Volumes};
use jiff::Timestamp;

use super::sky::{Sky, Volume};
use super::{LISTS_LAG, Provider};

#[async_trait]
impl Volumes for Provider {
    async fn ensure_volume(&self, volume: &VolumeSpec) -> Attempt<Placed<String>> {
        let wanted = volume.clone();
        // The look comes first and the order second: an order that lands late makes another volume.
        let seen = listed(&self.sky(), &wanted, self.inner.clock.now());
        if let Some(found) = seen {
            return self.call(&volume.app, Duration::ZERO, move |_, _| Ok(Placed::At(found))).await;
        }
        let room = self.room(wanted.region);
        self.call(&volume.app, Duration::ZERO, move |sky, now| match room {
            Placed::Full => Ok(Placed::Full),
            Placed::At(host) => create(sky, wanted, host, now),
        })
        .await
    }

    async fn delete_surplus(&self, app: &str, name: &str, keep: &str) -> Attempt<()> {
        let (name, keep) = (name.to_owned(), keep.to_owned());
        let of = app.to_owned();
        self.call(app, Duration::ZERO, move |sky, now| {
            delete(sky, &of, |volume| volume.name == name && volume.id != keep && is_listed(volume, now), now)
        })
        .await
    }

    async fn volume_exists(&self, app: &str, _machine: &str, volume: &str) -> Attempt<bool> {
        let (of, id) = (app.to_owned(), volume.to_owned());
        let hang = self.hang(app);
        self.call(app, hang, move |sky, now| {
            let found = sky.apps.get(&of).and_then(|app| app.volumes.iter().find(|volume| volume.id == id)).cloned();
            found.as_ref().map_or(Ok(()), |volume| sky.reach(volume.host, now))?;
            Ok(found.is_some())
        })
        .await
    }

    async fn delete_volumes(&self, app: &str, name: &str, known: Option<&str>) -> Attempt<()> {
        let (of, name, known) = (app.to_owned(), name.to_owned(), known.map(str::to_owned));
        let hang = self.hang(app);
        self.call(app, hang, move |sky, now| {
            let goes = |volume: &Volume| volume.name == name && (is_listed(volume, now) || known.as_ref() == Some(&volume.id));
            delete(sky, &of, goes, now)
        })
        .await
    }
}

fn listed(sky: &Sky, wanted: &VolumeSpec, now: Timestamp) -> Option<String> {
    let app = sky.apps.get(&wanted.app)?;
    let mut alike = app.volumes.iter().filter(|volume| volume.name == wanted.name && volume.region == wanted.region);
    alike.find(|volume| is_listed(volume, now)).map(|volume| volume.id.clone())
}

fn create(sky: &mut Sky, wanted: VolumeSpec, host: usize, now: Timestamp) -> Attempt<Placed<String>> {
    if sky.served.contains(&wanted.app) {
        sky.complaints.push(format!("{} has held a customer's state and gets a new, empty volume", wanted.app));
    }
    let id = sky.fresh("vol");
    let app = sky.app(&wanted.app)?;
    // What landed late and is in no list yet, nobody could have removed.
    let elsewhere = app.volumes.iter().find(|left| left.region != wanted.region && is_listed(left, now)).map(|left| left.id.clone());
    app.volumes.push(Volume { id: id.clone(), name: wanted.name, region: wanted.region, host, made_at: now });
    if let Some(left) = elsewhere {
        sky.complaints.push(format!("{} gets a volume in {} while {left} is left elsewhere", wanted.app, wanted.region));
    }
    Ok(Placed::At(id))
}

fn is_listed(volume: &Volume, now: Timestamp) -> bool {
    volume.made_at + LISTS_LAG <= now
}

/// Removes an app's volumes for which it is asked, unless a machine holds one.
fn delete(sky: &mut Sky, app: &str, goes: impl Fn(&Volume) -> bool, now: Timestamp) -> Attempt<()> {
    let Some(found) = sky.apps.get(app) else { return Ok(()) };
    for volume in found.volumes.iter().filter(|volume| goes(volume)) {
        if found.machines.iter().any(|machine| machine.volume == volume.id) {
            return Err(Setback::retry(format!("the volume {} is currently bound to a machine", volume.id)));
        }
        sky.reach(volume.host, now)?;
    }
    sky.app(app)?.volumes.retain(|volume| !goes(volume));
    Ok(())
}
