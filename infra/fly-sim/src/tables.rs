//! The state of the simulator: tables in memory, written through to SQLite in one transaction per change.

use std::collections::{BTreeMap, btree_map};
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::OpenError;
use crate::history::History;
use crate::records::{App, Machine, Snapshot, Volume};

/// The newest form of the state file that this program writes.
const FORMAT: i64 = 2;

#[derive(Default)]
pub(crate) struct Tables {
    apps: BTreeMap<String, App>,
    machines: BTreeMap<String, Machine>,
    volumes: BTreeMap<String, Volume>,
    snapshots: BTreeMap<String, Snapshot>,
    past_apps: History<App>,
    past_machines: History<Machine>,
    past_volumes: History<Volume>,
    file: Option<Connection>,
}

impl Tables {
    /// Opens the state file in a folder, which is made if it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        let file = Connection::open(folder.join("fly.sqlite"))?;
        // An answer promises that the state is kept: FULL syncs each transaction, where NORMAL would lose the last ones with the power.
        file.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;
             CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;",
        )?;
        let found: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > FORMAT {
            return Err(OpenError::Newer { found, known: FORMAT });
        }
        file.pragma_update(None, "user_version", FORMAT)?;
        let (apps, machines) = (load(&file, "app")?, load(&file, "machine")?);
        let (volumes, snapshots) = (load(&file, "volume")?, load(&file, "snapshot")?);
        Ok(Self { apps, machines, volumes, snapshots, file: Some(file), ..Self::default() })
    }

    pub(crate) fn app(&self, name: &str) -> Option<&App> {
        self.apps.get(name)
    }

    pub(crate) fn apps(&self) -> btree_map::Values<'_, String, App> {
        self.apps.values()
    }

    /// The apps as they were at a time, if that is not long ago.
    pub(crate) fn apps_at(&self, seen: Timestamp) -> Vec<&App> {
        self.past_apps.at(seen, &self.apps)
    }

    pub(crate) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.get(id)
    }

    pub(crate) fn machines(&self) -> btree_map::Values<'_, String, Machine> {
        self.machines.values()
    }

    /// The machines, likewise.
    pub(crate) fn machines_at(&self, seen: Timestamp) -> Vec<&Machine> {
        self.past_machines.at(seen, &self.machines)
    }

    pub(crate) fn volume(&self, id: &str) -> Option<&Volume> {
        self.volumes.get(id)
    }

    pub(crate) fn volumes(&self) -> btree_map::Values<'_, String, Volume> {
        self.volumes.values()
    }

    /// The volumes, likewise.
    pub(crate) fn volumes_at(&self, seen: Timestamp) -> Vec<&Volume> {
        self.past_volumes.at(seen, &self.volumes)
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<&Snapshot> {
        self.snapshots.get(id)
    }

    pub(crate) fn snapshots(&self) -> btree_map::Values<'_, String, Snapshot> {
        self.snapshots.values()
    }

    /// Runs a change. If it refuses, or the file cannot be written, nothing has changed.
    pub(crate) fn change<T, E: From<rusqlite::Error>>(
        &mut self,
        now: Timestamp,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut under_way = Change { tables: self, before: Vec::new() };
        let outcome = change(&mut under_way).and_then(|value| under_way.write().map(|()| value).map_err(E::from));
        match outcome {
            Ok(_) => under_way.remember(now),
            Err(_) => under_way.roll_back(),
        }
        outcome
    }
}

fn load<T: DeserializeOwned>(file: &Connection, kind: &str) -> Result<BTreeMap<String, T>, OpenError> {
    let mut statement = file.prepare("SELECT key, body FROM records WHERE kind = ?1")?;
    let rows = statement.query_map([kind], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (key, body) = row?;
        let record = serde_json::from_str(&body).map_err(|source| OpenError::Record { key: key.clone(), source })?;
        Ok((key, record))
    })
    .collect()
}

/// A change under way: whoever touches a record leaves what it was before.
pub(crate) struct Change<'a> {
    tables: &'a mut Tables,
    before: Vec<Before>,
}

enum Before {
    App(String, Option<Box<App>>),
    Machine(String, Option<Box<Machine>>),
    Volume(String, Option<Box<Volume>>),
    Snapshot(String, Option<Box<Snapshot>>),
}

impl Change<'_> {
    pub(crate) fn tables(&self) -> &Tables {
        self.tables
    }

    pub(crate) fn app(&mut self, name: &str) -> Option<&mut App> {
        self.before.push(Before::App(name.to_owned(), self.tables.apps.get(name).cloned().map(Box::new)));
        self.tables.apps.get_mut(name)
    }

    pub(crate) fn machine(&mut self, id: &str) -> Option<&mut Machine> {
        self.before.push(Before::Machine(id.to_owned(), self.tables.machines.get(id).cloned().map(Box::new)));
        self.tables.machines.get_mut(id)
    }

    pub(crate) fn volume(&mut self, id: &str) -> Option<&mut Volume> {
        self.before.push(Before::Volume(id.to_owned(), self.tables.volumes.get(id).cloned().map(Box::new)));
        self.tables.volumes.get_mut(id)
    }

    pub(crate) fn snapshot(&mut self, id: &str) -> Option<&mut Snapshot> {
        self.before.push(Before::Snapshot(id.to_owned(), self.tables.snapshots.get(id).cloned().map(Box::new)));
        self.tables.snapshots.get_mut(id)
    }

    pub(crate) fn put_app(&mut self, app: App) {
        self.app(&app.name);
        self.tables.apps.insert(app.name.clone(), app);
    }

    pub(crate) fn put_machine(&mut self, machine: Machine) {
        self.machine(&machine.id);
        self.tables.machines.insert(machine.id.clone(), machine);
    }

    pub(crate) fn put_volume(&mut self, volume: Volume) {
        self.volume(&volume.id);
        self.tables.volumes.insert(volume.id.clone(), volume);
    }

    pub(crate) fn remove_machine(&mut self, id: &str) {
        self.machine(id);
        self.tables.machines.remove(id);
    }

    pub(crate) fn remove_volume(&mut self, id: &str) {
        self.volume(id);
        self.tables.volumes.remove(id);
    }

    pub(crate) fn put_snapshot(&mut self, snapshot: Snapshot) {
        self.snapshot(&snapshot.id);
        self.tables.snapshots.insert(snapshot.id.clone(), snapshot);
    }

    pub(crate) fn remove_snapshot(&mut self, id: &str) {
        self.snapshot(id);
        self.tables.snapshots.remove(id);
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let Tables { apps, machines, volumes, snapshots, file, .. } = &mut *self.tables;
        let Some(file) = file else { return Ok(()) };
        let transaction = file.transaction()?;
        for touched in &self.before {
            match touched {
                Before::App(key, _) => store(&transaction, "app", key, apps.get(key))?,
                Before::Machine(key, _) => store(&transaction, "machine", key, machines.get(key))?,
                Before::Volume(key, _) => store(&transaction, "volume", key, volumes.get(key))?,
                Before::Snapshot(key, _) => store(&transaction, "snapshot", key, snapshots.get(key))?,
            }
        }
        transaction.commit()
    }

    fn remember(self, now: Timestamp) {
        let Tables { past_apps, past_machines, past_volumes, .. } = self.tables;
        for before in self.before {
            match before {
                Before::App(key, record) => past_apps.push(key, record, now),
                Before::Machine(key, record) => past_machines.push(key, record, now),
                Before::Volume(key, record) => past_volumes.push(key, record, now),
                // They are not listed by what moves on with machines.
                Before::Snapshot(..) => {}
            }
        }
    }

    fn roll_back(&mut self) {
        while let Some(before) = self.before.pop() {
            match before {
                Before::App(key, record) => restore(&mut self.tables.apps, key, record),
                Before::Machine(key, record) => restore(&mut self.tables.machines, key, record),
                Before::Volume(key, record) => restore(&mut self.tables.volumes, key, record),
                Before::Snapshot(key, record) => restore(&mut self.tables.snapshots, key, record),
            }
        }
    }
}

fn store<T: Serialize>(file: &Connection, kind: &str, key: &str, record: Option<&T>) -> rusqlite::Result<()> {
    match record {
        Some(record) => {
            let body = serde_json::to_string(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            file.prepare_cached(
                "INSERT INTO records (kind, key, body) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body",
            )?
            .execute(params![kind, key, body])?;
        }
        None => {
            file.prepare_cached("DELETE FROM records WHERE kind = ?1 AND key = ?2")?.execute(params![kind, key])?;
        }
    }
    Ok(())
}

fn restore<T>(table: &mut BTreeMap<String, T>, key: String, record: Option<Box<T>>) {
    match record {
        Some(record) => table.insert(key, *record),
        None => table.remove(&key),
    };
}
