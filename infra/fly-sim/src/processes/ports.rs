//! The loopback ports of a machine: on one host every machine needs its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

/// The ports of one machine on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    /// `services[].internal_port` to the port that stands for it here.
    pub(super) services: BTreeMap<u16, u16>,
    pub(super) metrics: u16,
    pub(super) gateway: u16,
}

impl Ports {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = u16> {
        self.services.values().copied().chain([self.metrics, self.gateway])
    }

    /// Keeps what is recorded and free, and chooses the rest anew, never one that belongs to another machine, which may just be stopped.
    ///
    /// A port is free for as long as this function looks, no longer: whoever loses it to a stranger before the program binds it sees the
    /// program fail, and the next boot chooses another.
    pub(super) fn settle(recorded: Option<&Self>, internal_ports: &[u16], taken: &BTreeSet<u16>) -> io::Result<Self> {
        let mut choice = Choice { taken, held: Vec::new() };
        let services = internal_ports
            .iter()
            .map(|&internal| Ok((internal, choice.settle(recorded.and_then(|ports| ports.services.get(&internal).copied()))?)))
            .collect::<io::Result<_>>()?;
        let metrics = choice.settle(recorded.map(|ports| ports.metrics))?;
        let gateway = choice.settle(recorded.map(|ports| ports.gateway))?;
        Ok(Self { services, metrics, gateway })
    }
}

/// Ports stay bound until all are chosen, so that none is chosen twice.
struct Choice<'a> {
    taken: &'a BTreeSet<u16>,
    held: Vec<TcpListener>,
}

impl Choice<'_> {
    fn settle(&mut self, recorded: Option<u16>) -> io::Result<u16> {
        if let Some(port) = recorded.filter(|port| !self.taken.contains(port))
            && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        {
            self.held.push(listener);
            return Ok(port);
        }
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            // A refused one is held as well, or the kernel might offer it for ever.
            self.held.push(listener);
            if !self.taken.contains(&port) {
                return Ok(port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_ports_are_kept_while_they_are_free_and_no_two_are_equal() {
        let wanted = [8080, 9000];
        let first = Ports::settle(None, &wanted, &BTreeSet::new()).unwrap();
        assert_eq!(first.all().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(Ports::settle(Some(&first), &wanted, &BTreeSet::new()).unwrap(), first);
    }

    #[test]
    fn a_port_that_was_taken_meanwhile_or_belongs_to_another_machine_is_chosen_anew() {
        let wanted = [8080];
        let first = Ports::settle(None, &wanted, &BTreeSet::new()).unwrap();
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, first.services[&8080])).unwrap();
        let others = BTreeSet::from([first.gateway]);
        let second = Ports::settle(Some(&first), &wanted, &others).unwrap();
        assert_ne!(second.services[&8080], stranger.local_addr().unwrap().port());
        assert_ne!(second.gateway, first.gateway);
        assert_eq!(second.metrics, first.metrics);
    }
}
