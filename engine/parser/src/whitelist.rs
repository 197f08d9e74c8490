//! Whitelists: addresses, ranges and expressions for which a line or an overflow does not count.
//!
//! Addresses follow Go's `netip`: an IPv4-mapped IPv6 address is not its IPv4 form, and one with
//! a zone is in no range. Ranges are merged at load, so that a list of many thousands costs one
//! binary search.

use std::net::IpAddr;
use std::sync::Arc;

use overspill_event::{Event, EventKind};
use overspill_expr::Program;
use overspill_golike::net::{Addr, Prefix, parse_addr};

use crate::method::EngineSlots;

/// The `whitelist` block of a node (`pkg/parser/whitelist.go`).
#[derive(Debug, Clone)]
pub struct Whitelist {
    reason: Arc<str>,
    hosts: Vec<Addr>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    expressions: Vec<Program>,
    /// Number of the first expression among those of all whitelists; given by the plan.
    pub(crate) first: usize,
}

impl Whitelist {
    /// A whitelist of `ip`, `cidr` and `expression` entries, the last in their order.
    #[must_use]
    pub fn new(
        reason: impl Into<Arc<str>>,
        ips: &[Addr],
        cidrs: &[Prefix],
        expressions: Vec<Program>,
    ) -> Self {
        let mut hosts = ips.to_vec();
        hosts.sort_unstable();
        hosts.dedup();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for cidr in cidrs {
            let rest = u32::from(cidr.bits());
            match cidr.masked().ip() {
                IpAddr::V4(ip) => {
                    let hosts = u32::MAX.checked_shr(rest).unwrap_or(0);
                    v4.push((ip.to_bits(), ip.to_bits() | hosts));
                }
                IpAddr::V6(ip) => {
                    let hosts = u128::MAX.checked_shr(rest).unwrap_or(0);
                    v6.push((ip.to_bits(), ip.to_bits() | hosts));
                }
            }
        }
        Self {
            reason: reason.into(),
            hosts,
            v4: Ranges::new(v4),
            v6: Ranges::new(v6),
            expressions,
            first: 0,
        }
    }

    /// Why, in the item's words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The expressions, in order.
    #[must_use]
    pub fn expressions(&self) -> &[Program] {
        &self.expressions
    }

    /// Whether there is anything but a reason.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        self.has_addresses() || !self.expressions.is_empty()
    }

    /// Whether an address is listed, by itself or in a range.
    #[must_use]
    pub fn contains(&self, addr: &Addr) -> bool {
        if self.hosts.binary_search(addr).is_ok() {
            return true;
        }
        addr.zone.is_empty()
            && match addr.ip {
                IpAddr::V4(ip) => self.v4.contains(ip.to_bits()),
                IpAddr::V6(ip) => self.v6.contains(ip.to_bits()),
            }
    }

    /// Whether an address the event is about is listed: `source_ip` of a line, any source of an
    /// overflow.
    pub(crate) fn contains_source(&self, event: &Event, slots: &EngineSlots) -> bool {
        if !self.has_addresses() {
            return false;
        }
        let is_listed = |text: &[u8]| parse_addr(text).is_some_and(|addr| self.contains(&addr));
        match event.kind {
            EventKind::Log => event.get(slots.source_ip).is_some_and(is_listed),
            EventKind::Overflow => event
                .overflow
                .iter()
                .flat_map(|overflow| overflow.sources.keys())
                .any(|key| is_listed(key.as_bytes())),
            EventKind::Appsec => false,
        }
    }

    /// Whether it lists addresses or ranges.
    pub(crate) fn has_addresses(&self) -> bool {
        !self.hosts.is_empty() || !self.v4.0.is_empty() || !self.v6.0.is_empty()
    }
}

/// Disjoint ranges in order, first and last address.
#[derive(Debug, Clone)]
struct Ranges<T>(Vec<(T, T)>);

impl<T: Ord + Copy> Ranges<T> {
    fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(open) if first <= open.1 => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    fn contains(&self, addr: T) -> bool {
        let after = self.0.partition_point(|range| range.0 <= addr);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|range| addr <= range.1)
    }
}

#[cfg(test)]
mod tests;
