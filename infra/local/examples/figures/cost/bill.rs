//! Quantities times prices.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Outcome;

/// One dated list of prices, in US dollars: `[service]`, then what it asks for one of each thing.
#[derive(Debug, Deserialize)]
pub(crate) struct Prices {
    pub(crate) as_of: String,
    #[serde(flatten)]
    services: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Prices {
    pub(crate) fn read() -> Outcome<Self> {
        Ok(toml::from_str(include_str!("prices.toml"))?)
    }

    fn of(&self, service: &str, thing: &str) -> Outcome<f64> {
        let price = self.services.get(service).and_then(|things| things.get(thing));
        Ok(*price.ok_or_else(|| format!("the price list does not name {service}.{thing}"))?)
    }
}

/// What a month came to, by service.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    dollars: BTreeMap<&'static str, f64>,
}

impl Bill {
    pub(crate) fn add(&mut self, prices: &Prices, service: &'static str, thing: &str, quantity: f64) -> Outcome<()> {
        *self.dollars.entry(service).or_default() += quantity * prices.of(service, thing)?;
        Ok(())
    }

    pub(crate) fn of(&self, service: &str) -> f64 {
        self.dollars.get(service).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> f64 {
        self.dollars.values().sum()
    }
}
