//! What the store stands on, and what whoever watches the world sees of it, behind the store's back.

use std::collections::BTreeMap;

use aws_sim::AwsSim;
use dynamo::memory::MemoryTable;

use crate::item::{Item, text};
use crate::mirror::{Mirror, Primary};
use crate::provider::app_at;

/// What the store stands on. Clones share it.
#[derive(Clone)]
pub(crate) enum Ground {
    Memory(MemoryTable),
    Embedded(AwsSim),
}

impl Ground {
    /// Looks at every item. The weather of the store does not reach whoever looks at it like this.
    pub(crate) async fn visit<T>(&self, look: impl FnOnce(&[&Item]) -> T) -> T {
        match self {
            // Copying all of them would be a sixth of a world's time.
            Self::Memory(table) => table.visit(look),
            Self::Embedded(aws) => look(&scan(aws).await.iter().collect::<Vec<_>>()),
        }
    }
}

async fn scan(aws: &AwsSim) -> Vec<Item> {
    let mut items = Vec::new();
    let mut pages = aws.dynamodb().scan().table_name("rockpool").into_paginator().send();
    while let Some(page) = pages.next().await {
        items.extend(page.expect("no weather reaches a scan").items.unwrap_or_default());
    }
    items
}

/// The table as it was when it was last looked at.
pub(crate) enum Seen {
    /// A table in memory can be looked at where it lies; a mirror follows its indexes.
    There(MemoryTable, Mirror),
    /// The embedded one was read as a whole.
    Copied(AwsSim, BTreeMap<Primary, Item>),
}

impl Seen {
    pub(crate) fn of(ground: &Ground) -> Self {
        match ground.clone() {
            Ground::Memory(table) => {
                let mut mirror = Mirror::default();
                mirror.follow(&table);
                Self::There(table, mirror)
            }
            Ground::Embedded(aws) => Self::Copied(aws, BTreeMap::new()),
        }
    }

    /// Looks anew.
    pub(crate) async fn refresh(&mut self) {
        match self {
            Self::There(table, mirror) => mirror.follow(table),
            Self::Copied(aws, items) => {
                let read = scan(aws).await;
                let key = |item: &Item| (text(item, "pk").unwrap_or("?").to_owned(), text(item, "sk").unwrap_or("?").to_owned());
                *items = read.into_iter().map(|item| (key(&item), item)).collect();
            }
        }
    }

    /// Looks at an item, if it is there.
    pub(crate) fn look<T>(&self, key: &Primary, at: impl FnOnce(&Item) -> T) -> Option<T> {
        match self {
            Self::There(table, _) => table.look(key, at),
            Self::Copied(_, items) => items.get(key).map(at),
        }
    }

    /// Looks at the instance of an app, once it has been in service.
    pub(crate) fn look_home<T>(&self, app: &str, at: impl FnOnce(&Item) -> T) -> Option<T> {
        match self {
            Self::There(table, mirror) => table.look(mirror.home(app)?, at),
            Self::Copied(_, items) => {
                let is_home = |item: &Item| text(item, "address").and_then(app_at) == Some(app);
                items.iter().find(|((_, sk), item)| sk.starts_with("INSTANCE#") && is_home(item)).map(|(_, item)| at(item))
            }
        }
    }

    /// Whether nothing that is followed speaks against it that everything is at rest.
    pub(crate) fn may_be_at_rest(&self) -> bool {
        match self {
            Self::There(_, mirror) => mirror.is_at_rest(),
            Self::Copied(..) => true,
        }
    }

    /// The keys of all live runs.
    pub(crate) fn live_runs(&self) -> Vec<Primary> {
        match self {
            Self::There(_, mirror) => mirror.live_runs().cloned().collect(),
            Self::Copied(_, items) => {
                let is_live = |item: &Item| !matches!(text(item, "phase"), Some("done" | "parked"));
                items.iter().filter(|((_, sk), item)| sk == "RUN" && is_live(item)).map(|(key, _)| key.clone()).collect()
            }
        }
    }

    /// How many are checked.
    pub(crate) fn fleet_size(&self) -> usize {
        match self {
            Self::There(_, mirror) => mirror.fleet_size(),
            Self::Copied(_, items) => items.values().filter(|item| item.contains_key("fleet_shard")).count(),
        }
    }

    /// Whoever is checked at a place among all of them, with the shard.
    pub(crate) fn checked(&self, place: usize) -> Option<(&str, u32)> {
        match self {
            Self::There(_, mirror) => mirror.checked(place),
            Self::Copied(_, items) => {
                let item = items.values().filter(|item| item.contains_key("fleet_shard")).nth(place)?;
                Some((app_at(text(item, "address")?)?, text(item, "fleet_shard")?.parse().ok()?))
            }
        }
    }
}
