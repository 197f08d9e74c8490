//! Who sends: pools of client and attacker addresses that never meet.
//!
//! Clients and attackers come from different first octets, and distributed campaigns from a third
//! set, so an alert about a client is a false one by construction. One address in sixteen is IPv6.

use std::collections::BTreeSet;

use crate::rng::Rng;

const CLIENT_OCTETS: [u64; 14] = [23, 31, 46, 62, 77, 81, 84, 91, 109, 151, 176, 185, 188, 213];
const ATTACKER_OCTETS: [u64; 8] = [45, 61, 89, 103, 141, 159, 180, 193];
const SPREAD_OCTETS: [u64; 4] = [5, 37, 95, 194];

/// The addresses of a data set.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) clients: Vec<String>,
    attackers: Vec<String>,
    next_attacker: usize,
    spread_used: u64,
}

impl Addresses {
    pub(crate) fn new(rng: &mut Rng, clients: u64, attackers: u64) -> Addresses {
        Addresses {
            clients: pool(rng, clients, &CLIENT_OCTETS, "2a01:e0a"),
            attackers: pool(rng, attackers, &ATTACKER_OCTETS, "2a0d:3344"),
            next_attacker: 0,
            spread_used: 0,
        }
    }

    /// The attackers take turns, so that campaigns of one address are far apart.
    pub(crate) fn next_attacker(&mut self) -> String {
        let address = self.attackers[self.next_attacker % self.attackers.len()].clone();
        self.next_attacker += 1;
        address
    }

    /// A /24 that no one else uses, as its first three octets.
    pub(crate) fn next_network(&mut self, rng: &mut Rng) -> String {
        let n = self.spread_used;
        self.spread_used += 1;
        let first = SPREAD_OCTETS[(n % 4) as usize];
        // The second octet counts up, so two campaigns never share a network.
        format!("{first}.{}.{}", (n / 4) % 256, rng.below(256))
    }

    /// Addresses that have no network in common.
    pub(crate) fn scattered(&mut self, rng: &mut Rng, count: u64) -> Vec<String> {
        (0..count)
            .map(|_| format!("{}.{}", self.next_network(rng), rng.range(1, 255)))
            .collect()
    }
}

fn pool(rng: &mut Rng, count: u64, octets: &[u64], prefix_v6: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    while (list.len() as u64) < count {
        let address = if rng.below(16) == 0 {
            let (a, b, c) = (rng.below(0xffff), rng.below(0xffff), rng.range(1, 0xffff));
            // A group of zeros would have a shorter canonical form.
            format!("{prefix_v6}:{:x}:{:x}::{c:x}", a + 1, b + 1)
        } else {
            let first = rng.pick(octets);
            format!(
                "{first}.{}.{}.{}",
                rng.below(256),
                rng.below(256),
                rng.range(1, 255)
            )
        };
        if seen.insert(address.clone()) {
            list.push(address);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn clients_attackers_and_networks_never_meet() {
        let mut rng = Rng::new(3);
        let mut addresses = Addresses::new(&mut rng, 5000, 500);
        let clients: BTreeSet<String> = addresses.clients.iter().cloned().collect();
        let attackers: BTreeSet<String> = (0..500).map(|_| addresses.next_attacker()).collect();
        let scattered: BTreeSet<String> = addresses.scattered(&mut rng, 500).into_iter().collect();
        assert_eq!(
            (clients.len(), attackers.len(), scattered.len()),
            (5000, 500, 500)
        );
        assert!(clients.is_disjoint(&attackers));
        assert!(scattered.is_disjoint(&clients) && scattered.is_disjoint(&attackers));
    }

    #[test]
    fn every_address_is_written_in_its_canonical_form() {
        let addresses = Addresses::new(&mut Rng::new(4), 2000, 10);
        let mut v6 = 0;
        for text in &addresses.clients {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(&address.to_string(), text);
            v6 += usize::from(address.is_ipv6());
        }
        assert!((60..200).contains(&v6), "{v6} of 2000 are IPv6");
    }
}
