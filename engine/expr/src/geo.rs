//! Geographic databases in MaxMind's format, out of memory.
//!
//! Answers are cached by address, within a bound, because decoding a record costs more than
//! parsing the line it is for. An address without a record has an empty one, as in CrowdSec.

use std::net::IpAddr;
use std::sync::Arc;

use maxminddb::{Reader, geoip2};
use overspill_exprlib::per_thread::PerThread;
use rustc_hash::FxHashMap;

use crate::services::{AsnRecord, CityRecord, Country, Geo};

/// Most addresses whose records a thread keeps. Each cache is emptied when it is full.
const CACHED_MAX: usize = 65_536;

/// Bytes that are no database.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the database")]
pub struct MmdbError(#[from] maxminddb::MaxMindDbError);

/// The two databases that CrowdSec uses.
#[derive(Default)]
pub struct Mmdb {
    city: Option<Database<CityRecord>>,
    asn: Option<Database<AsnEntry>>,
}

struct AsnEntry {
    record: Arc<AsnRecord>,
    range: Option<String>,
}

struct Database<T> {
    reader: Reader<Vec<u8>>,
    /// Each thread has records of its own: counting the uses of shared ones would cost more than
    /// decoding them again.
    cache: PerThread<Cache<T>>,
}

struct Cache<T>(FxHashMap<IpAddr, Option<Arc<T>>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<T> Database<T> {
    fn open(bytes: Vec<u8>) -> Result<Self, MmdbError> {
        Ok(Self {
            reader: Reader::from_source(bytes)?,
            cache: PerThread::default(),
        })
    }

    fn get(
        &self,
        ip: IpAddr,
        decode: impl Fn(&Reader<Vec<u8>>, IpAddr) -> Option<T>,
    ) -> Option<Arc<T>> {
        // Only finished answers are ever inserted, so a poisoned lock guards sound data.
        let Cache(cache) = &mut *self.cache.own();
        if let Some(found) = cache.get(&ip) {
            return found.clone();
        }
        let found = decode(&self.reader, ip).map(Arc::new);
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cache.insert(ip, found.clone());
        found
    }
}

impl Mmdb {
    /// Opens the databases that there are. As in CrowdSec, without the city database the other one
    /// is not used either.
    ///
    /// # Errors
    /// [`MmdbError`] when bytes are no database.
    pub fn new(city: Option<Vec<u8>>, asn: Option<Vec<u8>>) -> Result<Self, MmdbError> {
        let Some(city) = city else {
            return Ok(Self::default());
        };
        let asn = asn.map(Database::open).transpose()?;
        Ok(Self {
            city: Some(Database::open(city)?),
            asn,
        })
    }

    fn asn_entry(&self, ip: IpAddr) -> Option<Arc<AsnEntry>> {
        self.asn.as_ref()?.get(ip, |reader, ip| {
            let found = reader.lookup(ip).ok()?;
            let record = found.decode::<geoip2::Asn<'_>>().ok()?;
            let range = record
                .is_some()
                .then(|| found.network().ok().map(|net| net.to_string()));
            let record = record.map_or_else(AsnRecord::default, |record| AsnRecord {
                number: record.autonomous_system_number.unwrap_or(0),
                organisation: record
                    .autonomous_system_organization
                    .unwrap_or("")
                    .to_owned(),
            });
            Some(AsnEntry {
                record: Arc::new(record),
                range: range.flatten(),
            })
        })
    }
}

impl std::fmt::Debug for Mmdb {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mmdb")
            .field("city", &self.city.is_some())
            .field("asn", &self.asn.is_some())
            .finish()
    }
}

impl Geo for Mmdb {
    fn has_city(&self) -> bool {
        self.city.is_some()
    }

    fn has_asn(&self) -> bool {
        self.asn.is_some()
    }

    fn city(&self, ip: IpAddr) -> Option<Arc<CityRecord>> {
        self.city.as_ref()?.get(ip, |reader, ip| {
            let found = reader.lookup(ip).ok()?;
            let record = found.decode::<geoip2::City<'_>>().ok()?;
            Some(record.map_or_else(CityRecord::default, |record| city_record(&record)))
        })
    }

    fn asn(&self, ip: IpAddr) -> Option<Arc<AsnRecord>> {
        self.asn_entry(ip).map(|entry| Arc::clone(&entry.record))
    }

    fn range(&self, ip: IpAddr) -> Option<String> {
        self.asn_entry(ip)?.range.clone()
    }
}

fn city_record(record: &geoip2::City<'_>) -> CityRecord {
    let text = |text: Option<&str>| text.unwrap_or("").to_owned();
    CityRecord {
        country: Country {
            iso_code: text(record.country.iso_code),
            is_in_eu: record.country.is_in_european_union.unwrap_or(false),
            name: text(record.country.names.english),
        },
        registered_country: Country {
            iso_code: text(record.registered_country.iso_code),
            is_in_eu: record
                .registered_country
                .is_in_european_union
                .unwrap_or(false),
            name: text(record.registered_country.names.english),
        },
        represented_country: Country {
            iso_code: text(record.represented_country.iso_code),
            is_in_eu: record
                .represented_country
                .is_in_european_union
                .unwrap_or(false),
            name: text(record.represented_country.names.english),
        },
        city: text(record.city.names.english),
        continent: text(record.continent.names.english),
        continent_code: text(record.continent.code),
        postal_code: text(record.postal.code),
        latitude: record.location.latitude.unwrap_or(0.0),
        longitude: record.location.longitude.unwrap_or(0.0),
        time_zone: text(record.location.time_zone),
        accuracy_radius: record.location.accuracy_radius.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let len = u8::try_from(text.len()).unwrap();
        let head = if len < 29 {
            vec![0x40 | len]
        } else {
            vec![0x40 | 29, len - 29]
        };
        [&head, text.as_bytes()].concat()
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0xe0 | u8::try_from(entries.len()).unwrap()];
        for (key, value) in entries {
            out.extend(text(key));
            out.extend(value);
        }
        out
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

    /// A database with one record, for 0.0.0.0/1.
    fn database(kind: &str, record: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 17, 0, 0, 1];
        out.extend([0; 16]);
        out.extend(record);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("node_count", uint32(1)),
            ("record_size", uint16(24)),
            ("ip_version", uint16(4)),
            ("database_type", text(kind)),
            ("languages", vec![0x00, 0x04]),
            ("binary_format_major_version", uint16(2)),
            ("binary_format_minor_version", uint16(0)),
            ("build_epoch", vec![0x01, 0x02, 0x05]),
            ("description", map(&[])),
        ]));
        out
    }

    fn mmdb() -> Mmdb {
        let country = |code: &str| {
            map(&[
                ("iso_code", text(code)),
                ("is_in_european_union", vec![0x01, 0x07]),
            ])
        };
        let city = map(&[
            ("registered_country", country("FR")),
            ("represented_country", country("DE")),
            (
                "location",
                map(&[("latitude", double(48.5)), ("longitude", double(2.25))]),
            ),
        ]);
        let asn = map(&[
            ("autonomous_system_number", uint32(64_500)),
            ("autonomous_system_organization", text("ACME")),
        ]);
        let city = database("GeoLite2-City", &city);
        Mmdb::new(Some(city), Some(database("GeoLite2-ASN", &asn))).unwrap()
    }

    #[test]
    fn a_record_is_decoded_and_the_first_country_with_a_code_counts() {
        let mmdb = mmdb();
        // Twice: the second answer comes from the cache.
        for _ in 0..2 {
            let ip: IpAddr = "1.2.3.4".parse().unwrap();
            let city = mmdb.city(ip).unwrap();
            assert_eq!((city.latitude, city.longitude), (48.5, 2.25));
            assert_eq!(city.country.iso_code, "");
            assert_eq!(city.enrich_country().iso_code, "FR");
            assert!(city.enrich_country().is_in_eu);
            assert_eq!(mmdb.asn(ip).unwrap().number, 64_500);
            assert_eq!(mmdb.asn(ip).unwrap().organisation, "ACME");
            assert_eq!(mmdb.range(ip).as_deref(), Some("0.0.0.0/1"));
        }
    }

    #[test]
    fn an_address_without_a_record_has_an_empty_one_and_no_range() {
        let mmdb = mmdb();
        let ip: IpAddr = "200.2.3.4".parse().unwrap();
        assert_eq!(*mmdb.city(ip).unwrap(), CityRecord::default());
        assert_eq!(*mmdb.asn(ip).unwrap(), AsnRecord::default());
        assert_eq!(mmdb.range(ip), None);
        // IPv6 cannot be looked up in a database of IPv4: that is a failed lookup.
        assert_eq!(mmdb.city("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn without_the_city_database_nothing_is_loaded() {
        let asn = database("GeoLite2-ASN", &map(&[]));
        let mmdb = Mmdb::new(None, Some(asn)).unwrap();
        assert!(!mmdb.has_city() && !mmdb.has_asn());
        assert!(Mmdb::new(Some(b"nothing".to_vec()), None).is_err());
    }
}
