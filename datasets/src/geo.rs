//! Two tiny GeoIP databases about the networks that RFC 5737 and RFC 3849 keep for documentation.
//!
//! They stand in for GeoLite2 in tests and demonstrations: same format (MaxMind DB 2.0, an IPv6 tree
//! with IPv4 under `::/96`), same fields, invented facts. Any other address is unknown to them.

use std::net::IpAddr;

/// What the databases say about one network.
struct Place {
    network: (&'static str, u8),
    country: &'static str,
    in_eu: bool,
    latitude: f64,
    longitude: f64,
    as_number: u32,
    as_name: &'static str,
}

const PLACES: [Place; 4] = [
    Place {
        network: ("192.0.2.0", 24),
        country: "DE",
        in_eu: true,
        latitude: 52.5,
        longitude: 13.4,
        as_number: 64_500,
        as_name: "Example Hosting",
    },
    Place {
        network: ("198.51.100.0", 24),
        country: "FR",
        in_eu: true,
        latitude: 48.9,
        longitude: 2.4,
        as_number: 64_501,
        as_name: "Example Telecom",
    },
    Place {
        network: ("203.0.113.0", 24),
        country: "AU",
        in_eu: false,
        latitude: -33.9,
        longitude: 151.2,
        as_number: 64_502,
        as_name: "Example Transit",
    },
    Place {
        network: ("2001:db8::", 32),
        country: "JP",
        in_eu: false,
        latitude: 35.7,
        longitude: 139.7,
        as_number: 64_503,
        as_name: "Example Six",
    },
];

/// The bytes of a database of cities, as `GeoLite2-City.mmdb`.
#[must_use]
pub fn city_database() -> Vec<u8> {
    database("GeoLite2-City", |place| {
        map(&[
            (
                "country",
                map(&[
                    ("is_in_european_union", boolean(place.in_eu)),
                    ("iso_code", text(place.country)),
                ]),
            ),
            (
                "location",
                map(&[
                    ("latitude", double(place.latitude)),
                    ("longitude", double(place.longitude)),
                ]),
            ),
        ])
    })
}

/// The bytes of a database of autonomous systems, as `GeoLite2-ASN.mmdb`.
#[must_use]
pub fn asn_database() -> Vec<u8> {
    database("GeoLite2-ASN", |place| {
        map(&[
            ("autonomous_system_number", uint32(place.as_number)),
            ("autonomous_system_organization", text(place.as_name)),
        ])
    })
}

/// Where a branch of the search tree leads.
#[derive(Debug, Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    /// Offset of a record in the data section.
    Record(usize),
}

/// Search tree, separator, records, metadata.
fn database(kind: &str, record: impl Fn(&Place) -> Vec<u8>) -> Vec<u8> {
    let mut nodes = vec![[Branch::Nothing; 2]];
    let mut records = Vec::new();
    for place in &PLACES {
        insert(&mut nodes, place.network, records.len());
        records.extend(record(place));
    }
    let mut out = Vec::new();
    for branch in nodes.iter().flatten() {
        let value = match branch {
            Branch::Nothing => nodes.len(),
            Branch::Node(node) => *node,
            Branch::Record(offset) => nodes.len() + SEPARATOR.len() + offset,
        };
        // Records of 24 bits: a few hundred nodes need no more.
        out.extend(&(value as u32).to_be_bytes()[1..]);
    }
    out.extend(SEPARATOR);
    out.extend(records);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    out.extend(map(&[
        ("binary_format_major_version", uint16(2)),
        ("binary_format_minor_version", uint16(0)),
        // 2024-03-10T06:00:00Z, when the samples begin.
        ("build_epoch", uint64(1_710_050_400)),
        ("database_type", text(kind)),
        (
            "description",
            map(&[("en", text("Documentation networks, invented facts"))]),
        ),
        ("ip_version", uint16(6)),
        ("languages", EMPTY_LIST.to_vec()),
        ("node_count", uint32(nodes.len() as u32)),
        ("record_size", uint16(24)),
    ]));
    out
}

/// Between the tree and the records.
const SEPARATOR: [u8; 16] = [0; 16];

/// Hangs a record under the bits of its network.
fn insert(nodes: &mut Vec<[Branch; 2]>, (network, length): (&str, u8), offset: usize) {
    let (bits, length) = match network.parse() {
        Ok(IpAddr::V4(v4)) => (u128::from(u32::from(v4)), 96 + length),
        Ok(IpAddr::V6(v6)) => (u128::from(v6), length),
        Err(_) => unreachable!("the table holds only addresses"),
    };
    let mut at = 0;
    for depth in 0..length {
        let side = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == length {
            nodes[at][side] = Branch::Record(offset);
        } else if let Branch::Node(next) = nodes[at][side] {
            at = next;
        } else {
            nodes.push([Branch::Nothing; 2]);
            nodes[at][side] = Branch::Node(nodes.len() - 1);
            at = nodes.len() - 1;
        }
    }
}

// Values: a byte with type and size, then the content. Types above 7 have a second byte.

const EMPTY_LIST: [u8; 2] = [0x00, 0x04];

fn text(text: &str) -> Vec<u8> {
    let mut out = match text.len() {
        len @ 0..29 => vec![0x40 | len as u8],
        len => vec![0x40 | 29, (len - 29) as u8],
    };
    out.extend(text.as_bytes());
    out
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xe0 | entries.len() as u8];
    for (key, value) in entries {
        out.extend(text(key));
        out.extend(value);
    }
    out
}

fn boolean(value: bool) -> Vec<u8> {
    vec![u8::from(value), 0x07]
}

fn double(value: f64) -> Vec<u8> {
    [&[0x68], &value.to_be_bytes()[..]].concat()
}

fn uint16(value: u16) -> Vec<u8> {
    [&[0xa2], &value.to_be_bytes()[..]].concat()
}

fn uint32(value: u32) -> Vec<u8> {
    [&[0xc4], &value.to_be_bytes()[..]].concat()
}

fn uint64(value: u64) -> Vec<u8> {
    [&[0x08, 0x02], &value.to_be_bytes()[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use maxminddb::{Reader, geoip2};

    #[test]
    fn another_reader_finds_what_was_written() {
        let city = Reader::from_source(city_database()).unwrap();
        let asn = Reader::from_source(asn_database()).unwrap();
        for (address, country, number, network) in [
            ("192.0.2.0", "DE", 64_500, "192.0.2.0/24"),
            ("198.51.100.255", "FR", 64_501, "198.51.100.0/24"),
            ("203.0.113.9", "AU", 64_502, "203.0.113.0/24"),
            ("2001:db8:ffff::1", "JP", 64_503, "2001:db8::/32"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let found: geoip2::City<'_> = city.lookup(address).unwrap().decode().unwrap().unwrap();
            assert_eq!(found.country.iso_code, Some(country));
            let found = asn.lookup(address).unwrap();
            assert_eq!(found.network().unwrap().to_string(), network);
            let record: geoip2::Asn<'_> = found.decode().unwrap().unwrap();
            assert_eq!(record.autonomous_system_number, Some(number));
        }
        for unknown in ["192.0.3.1", "2001:db9::1", "0.0.0.0", "::1"] {
            let unknown: IpAddr = unknown.parse().unwrap();
            let found: Option<geoip2::City<'_>> = city.lookup(unknown).unwrap().decode().unwrap();
            assert!(found.is_none(), "{unknown}");
        }
    }

    #[test]
    fn the_databases_are_in_order_to_the_last_byte() {
        for bytes in [city_database(), asn_database()] {
            Reader::from_source(bytes).unwrap().verify().unwrap();
        }
    }
}
