//! Customers: each has a place for one instance, and changes his mind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Region;
use jiff::Timestamp;
use serde_json::json;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::front::{Front, Reply, Wish};
use crate::tally::Tally;

/// One customer's place for an instance.
pub(crate) struct Customer {
    pub(crate) person: String,
    pub(crate) name: String,
    pub(crate) regions: Vec<Region>,
    pub(crate) front: Arc<Front>,
    pub(crate) clock: VirtualClock,
    pub(crate) chance: Chance,
    pub(crate) ends: Timestamp,
    /// The mean time between two wishes.
    pub(crate) mean: Duration,
    pub(crate) held: Mutex<Option<String>>,
    /// Operations whose cancel was accepted.
    pub(crate) cancelled: Mutex<Vec<String>>,
    pub(crate) tally: Arc<Tally>,
}

/// Everybody creates an instance within this from the first minute of a world.
pub(crate) const EVERYBODY_COMES: Duration = Duration::from_secs(3600);

/// The mean time for which a place stays empty.
const EMPTY: Duration = Duration::from_secs(24 * 3600);

/// The mean time after which somebody impatient looks again; a creation takes half a minute.
const IMPATIENCE: Duration = Duration::from_secs(12);

impl Customer {
    /// Creates, changes and deletes until the world closes.
    pub(crate) async fn live(&self) {
        tokio::time::sleep(self.chance.between(Duration::ZERO, EVERYBODY_COMES.min(self.left()))).await;
        let mut wishes = 0u32;
        while self.clock.now() < self.ends {
            wishes += 1;
            let held = self.held();
            match held {
                None => self.create(wishes).await,
                Some(id) => self.act(&id, wishes).await,
            }
            // Some change their minds while what they asked for is under way.
            let mean = match self.held() {
                _ if self.chance.happens(0.3) => IMPATIENCE,
                None => self.mean.min(EMPTY),
                Some(_) => self.mean,
            };
            self.pause(mean).await;
        }
    }

    /// The instance that he has.
    pub(crate) fn held(&self) -> Option<String> {
        self.held.lock().expect("no holder panics").clone()
    }

    /// Deletes what he has.
    pub(crate) async fn leave(&self) {
        if let Some(id) = self.held() {
            self.delete(&id, "leaves").await;
        }
    }

    /// Starts what was not started although he wanted it, as he was told.
    pub(crate) async fn try_again(&self) {
        let Some(id) = self.held() else { return };
        let seen = self.get(&id).await;
        if seen.text("/state") == Some("stopped") && seen.text("/wanted") == Some("running") {
            self.verb(&id, "start", "again", &[200, 202, 409]).await;
        }
    }

    async fn create(&self, wishes: u32) {
        let codes: Vec<&str> = self.regions.iter().map(|region| region.code()).collect();
        let body = json!({ "name": self.name, "plan": "team", "region": codes[0], "allowed_regions": codes });
        let key = format!("{}-create-{wishes}", self.name);
        let wish = Wish { person: &self.person, method: "POST", path: "/v1/instances", body: Some(&body), key: Some(&key) };
        let reply = self.front.insist(wish).await;
        match (reply.status, reply.text("/instance/id")) {
            (202, Some(id)) => {
                self.tally.instances.add(1);
                *self.held.lock().expect("no holder panics") = Some(id.to_owned());
            }
            // The last one is still being deleted: its name and its place in the quota come back at the end of that.
            (409, _) | (503, _) => {}
            _ => self.front.complain(format!("a create was answered {reply:?}")),
        }
    }

    async fn act(&self, id: &str, wishes: u32) {
        let seen = self.get(id).await;
        let at = wishes.to_string();
        let draw = self.chance.below(100);
        match (seen.text("/state").unwrap_or_default(), seen.text("/wanted").unwrap_or_default()) {
            ("", _) => {}
            ("failed", _) => self.delete(id, &at).await,
            ("provisioning", _) => match draw {
                0..25 => self.cancel(&seen).await,
                25..40 => self.delete(id, &at).await,
                40..55 => self.verb(id, "stop", &at, &[200, 202, 409]).await,
                _ => {}
            },
            ("stopped", "running") => self.verb(id, "start", &at, &[200, 202, 409]).await,
            ("stopped", _) => match draw {
                0..15 => self.delete(id, &at).await,
                _ => self.verb(id, "start", &at, &[200, 202, 409]).await,
            },
            ("running" | "degraded", _) => match draw {
                0..30 => self.verb(id, "stop", &at, &[200, 202, 409]).await,
                30..50 => self.restart(id, "process", &at).await,
                50..65 => self.restart(id, "machine", &at).await,
                65..80 => self.delete(id, &at).await,
                80..90 => {
                    self.verb(id, "stop", &format!("{at}a"), &[200, 202, 409]).await;
                    self.verb(id, "start", &format!("{at}b"), &[200, 202, 409]).await;
                }
                90..95 => self.rename(id, &seen).await,
                _ => self.enter(id).await,
            },
            _ => match draw {
                0..40 => self.cancel(&seen).await,
                40..55 => self.verb(id, "stop", &at, &[200, 202, 409]).await,
                55..70 => self.verb(id, "start", &at, &[200, 202, 409]).await,
                70..80 => self.restart(id, "machine", &at).await,
                80..90 => self.delete(id, &at).await,
                _ => {}
            },
        }
    }

    async fn get(&self, id: &str) -> Reply {
        let path = format!("/v1/instances/{id}");
        let reply = self.front.insist(Wish { person: &self.person, method: "GET", path: &path, body: None, key: None }).await;
        self.expect(&reply, "a look", &[200]);
        reply
    }

    async fn verb(&self, id: &str, verb: &str, at: &str, expected: &[u16]) {
        let (path, key) = (format!("/v1/instances/{id}/{verb}"), format!("{id}-{verb}-{at}"));
        let reply = self.front.insist(Wish { person: &self.person, method: "POST", path: &path, body: None, key: Some(&key) }).await;
        self.expect(&reply, verb, expected);
    }

    async fn restart(&self, id: &str, scope: &str, at: &str) {
        let (path, key, body) = (format!("/v1/instances/{id}/restart"), format!("{id}-restart-{at}"), json!({ "scope": scope }));
        let reply = self.front.insist(Wish { person: &self.person, method: "POST", path: &path, body: Some(&body), key: Some(&key) }).await;
        self.expect(&reply, "a restart", &[202, 409]);
    }

    async fn delete(&self, id: &str, at: &str) {
        let (path, key) = (format!("/v1/instances/{id}"), format!("{id}-delete-{at}"));
        let reply = self.front.insist(Wish { person: &self.person, method: "DELETE", path: &path, body: None, key: Some(&key) }).await;
        self.expect(&reply, "a delete", &[202]);
        if reply.status == 202 {
            *self.held.lock().expect("no holder panics") = None;
        }
    }

    async fn cancel(&self, seen: &Reply) {
        let Some(operation) = seen.text("/operation") else { return };
        let path = format!("/v1/operations/{operation}/cancel");
        let reply = self.front.insist(Wish { person: &self.person, method: "POST", path: &path, body: None, key: None }).await;
        self.expect(&reply, "a cancel", &[202, 409]);
        if reply.status == 202 {
            self.tally.cancels.add(1);
            self.cancelled.lock().expect("no holder panics").push(operation.to_owned());
        }
    }

    async fn rename(&self, id: &str, seen: &Reply) {
        let other = format!("{}-b", self.name);
        let name = if seen.text("/name") == Some(&self.name) { &other } else { &self.name };
        let (path, body) = (format!("/v1/instances/{id}"), json!({ "name": name }));
        let reply = self.front.insist(Wish { person: &self.person, method: "PATCH", path: &path, body: Some(&body), key: None }).await;
        // A name that was given up with an instance is free when its deletion has ended.
        self.expect(&reply, "a rename", &[200, 409]);
    }

    async fn enter(&self, id: &str) {
        let path = format!("/v1/instances/{id}/access");
        let reply = self.front.insist(Wish { person: &self.person, method: "POST", path: &path, body: None, key: None }).await;
        self.expect(&reply, "an access", &[200, 409]);
    }

    fn expect(&self, reply: &Reply, what: &str, expected: &[u16]) {
        if reply.status != 503 && !expected.contains(&reply.status) {
            self.front.complain(format!("{what} of {} was answered {reply:?}", self.name));
        }
    }

    async fn pause(&self, mean: Duration) {
        tokio::time::sleep(self.chance.after(mean).min(self.left())).await;
    }

    /// How long until the world closes.
    fn left(&self) -> Duration {
        Duration::try_from(self.ends.duration_since(self.clock.now())).unwrap_or_default()
    }
}
