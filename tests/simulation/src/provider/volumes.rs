use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{Placed, VolumeSpec, Volumes};
use jiff::Timestamp;

use super::Provider;
use super::sky::{Sky, Volume};

#[async_trait]
impl Volumes for Provider {
    async fn ensure_volume(&self, volume: &VolumeSpec) -> Attempt<Placed<String>> {
        let wanted = volume.clone();
        // The look comes first and the order second: an order that lands late makes another volume.
        let seen = listed(&self.sky(), &wanted, self.inner.clock.now());
        if let Some(found) = seen {
            return self
                .call(&volume.app, Duration::ZERO, move |sky, _| {
                    sky.unseen.remove(&found);
                    Ok(Placed::At(found))
                })
                .await;
        }
        let room = self.room(wanted.region);
        self.call(&volume.app, Duration::ZERO, move |sky, now| match room {
            Placed::Full => Ok(Placed::Full),
            Placed::At(host) => create(sky, wanted, host, now),
        })
        .await
    }

    async fn delete_surplus(&self, app: &str, name: &str, _machine: &str, keep: &str) -> Attempt<()> {
        let of = app.to_owned();
        let chosen: BTreeSet<String> = self.listed_of(app, name).filter(|id| id != keep).collect();
        self.call(app, Duration::ZERO, move |sky, now| delete(sky, &of, &chosen, now)).await
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
        let (of, hang) = (app.to_owned(), self.hang(app));
        self.sky().released.insert(app.to_owned(), self.inner.clock.now());
        let chosen: BTreeSet<String> = self.listed_of(app, name).chain(known.map(str::to_owned)).collect();
        self.call(app, hang, move |sky, now| delete(sky, &of, &chosen, now)).await
    }
}

impl Provider {
    /// The volumes of a name that lists show now: whoever deletes looks first, and what lands late hits what was there then.
    fn listed_of(&self, app: &str, name: &str) -> impl Iterator<Item = String> + use<> {
        let (sky, now) = (self.sky(), self.inner.clock.now());
        let volumes = sky.apps.get(app).into_iter().flat_map(|app| &app.volumes);
        let chosen = volumes.filter(|volume| volume.name == name && sky.is_listed(volume, now)).map(|volume| volume.id.clone());
        chosen.collect::<Vec<_>>().into_iter()
    }
}

fn listed(sky: &Sky, wanted: &VolumeSpec, now: Timestamp) -> Option<String> {
    let app = sky.apps.get(&wanted.app)?;
    let mut alike = app.volumes.iter().filter(|volume| volume.name == wanted.name && volume.region == wanted.region);
    alike.find(|volume| sky.is_listed(volume, now)).map(|volume| volume.id.clone())
}

fn create(sky: &mut Sky, wanted: VolumeSpec, host: usize, now: Timestamp) -> Attempt<Placed<String>> {
    if sky.served.contains(&wanted.app) {
        sky.complaints.push(format!("{} has held a customer's state and gets a new, empty volume", wanted.app));
    }
    let id = sky.fresh("vol");
    let region = wanted.region;
    let volume = Volume { id: id.clone(), name: wanted.name, region, host, made_at: now };
    sky.app(&wanted.app)?.volumes.push(volume);
    sky.meet(&id);
    // What no list showed when the last region was left, nobody could have removed.
    let was_listed = |left: &&Volume| sky.released.get(&wanted.app).is_some_and(|looked_at| sky.is_listed(left, *looked_at));
    let elsewhere = |left: &&Volume| left.region != region && was_listed(left);
    let left = sky.apps.get(&wanted.app).and_then(|app| app.volumes.iter().find(elsewhere));
    let complaint = left.map(|left| format!("{} gets a volume in {region} while {} is left elsewhere", wanted.app, left.id));
    sky.complaints.extend(complaint);
    Ok(Placed::At(id))
}

/// Removes some of an app's volumes, unless a machine holds one.
fn delete(sky: &mut Sky, app: &str, goes: &BTreeSet<String>, now: Timestamp) -> Attempt<()> {
    let Some(found) = sky.apps.get(app) else { return Ok(()) };
    for volume in found.volumes.iter().filter(|volume| goes.contains(&volume.id)) {
        if found.machines.iter().any(|machine| machine.volume == volume.id) {
            return Err(Setback::retry(format!("the volume {} is currently bound to a machine", volume.id)));
        }
        sky.reach(volume.host, now)?;
    }
    sky.app(app)?.volumes.retain(|volume| !goes.contains(&volume.id));
    Ok(())
}
