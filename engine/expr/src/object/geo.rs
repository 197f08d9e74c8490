//! Records of the geographic databases, by the field names of Go's `geoip2` package.

use std::sync::Arc;

use super::Object;
use crate::error::EvalError;
use crate::services::{AsnRecord, CityRecord, Country};
use crate::value::{IntKind, Map, Value};

/// `*geoip2.City`.
pub(crate) struct CityObject(pub(crate) Arc<CityRecord>);

impl Object for CityObject {
    fn type_name(&self) -> &str {
        "geoip2.City"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let record = &self.0;
        let country = |country: &Country| {
            structure([
                ("IsoCode", Value::str(&country.iso_code)),
                ("IsInEuropeanUnion", Value::Bool(country.is_in_eu)),
                ("Names", names(&country.name)),
            ])
        };
        Some(match name {
            "Country" => country(&record.country),
            "RegisteredCountry" => country(&record.registered_country),
            "RepresentedCountry" => country(&record.represented_country),
            "City" => structure([("Names", names(&record.city))]),
            "Continent" => structure([
                ("Code", Value::str(&record.continent_code)),
                ("Names", names(&record.continent)),
            ]),
            "Postal" => structure([("Code", Value::str(&record.postal_code))]),
            "Location" => structure([
                ("Latitude", Value::Float(record.latitude)),
                ("Longitude", Value::Float(record.longitude)),
                ("TimeZone", Value::str(&record.time_zone)),
                (
                    "AccuracyRadius",
                    Value::Sized(i64::from(record.accuracy_radius), IntKind::Uint16),
                ),
            ]),
            _ => return None,
        })
    }
}

/// `*geoip2.ASN`.
pub(crate) struct AsnObject(pub(crate) Arc<AsnRecord>);

impl Object for AsnObject {
    fn type_name(&self) -> &str {
        "geoip2.ASN"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "AutonomousSystemNumber" => Some(Value::Sized(i64::from(self.0.number), IntKind::Uint)),
            "AutonomousSystemOrganization" => Some(Value::str(&self.0.organisation)),
            _ => None,
        }
    }
}

/// `*net.IPNet`.
pub(crate) struct RangeObject(pub(crate) String);

impl Object for RangeObject {
    fn type_name(&self) -> &str {
        "net.IPNet"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let (address, _) = self.0.split_once('/').unwrap_or((&self.0, ""));
        (name == "IP").then(|| Value::str(address))
    }

    fn call(&self, method: &str, _args: &[Value]) -> Option<Result<Value, EvalError>> {
        match method {
            "String" => Some(Ok(Value::str(&self.0))),
            "Network" => Some(Ok(Value::str("ip+net"))),
            _ => None,
        }
    }

    fn to_plain(&self) -> Option<Value> {
        Some(Value::str(&self.0))
    }
}

fn names(english: &str) -> Value {
    if english.is_empty() {
        return Value::Map(Map::Strings(Arc::default()));
    }
    let entry = (Box::from(&b"en"[..]), Arc::from(english.as_bytes()));
    Value::Map(Map::Strings(Arc::new([entry].into())))
}

fn structure<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Map(Map::of(
        fields.map(|(name, value)| (Arc::from(name.as_bytes()), value)),
    ))
}
