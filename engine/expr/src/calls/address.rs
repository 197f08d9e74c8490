//! Helpers on addresses and geographic databases.

use overspill_exprlib::{address, distance};
use overspill_golike::net;

use super::args::{name, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::object::{AsnObject, CityObject, RangeObject};
use crate::services::Lookup;
use crate::types::{STR, Ty, structs};
use crate::value::{Bytes, Value};

const ONE: &[Ty] = &[Ty::Str];
const TWO: &[Ty] = &[Ty::Str, Ty::Str];

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("IpInRange", TWO, Ty::Bool, |_, args| {
        Ok(Value::Bool(address::ip_in_range(
            text(args, 0)?,
            text(args, 1)?,
        )))
    }),
    Helper::new("IsIP", ONE, Ty::Bool, |_, args| {
        Ok(Value::Bool(address::is_ip(text(args, 0)?)))
    }),
    Helper::new("IsIPV4", ONE, Ty::Bool, |_, args| {
        Ok(Value::Bool(address::is_ipv4(text(args, 0)?)))
    }),
    Helper::new("IsIPV6", ONE, Ty::Bool, |_, args| {
        Ok(Value::Bool(address::is_ipv6(text(args, 0)?)))
    }),
    Helper::new("IpToRange", TWO, Ty::Str, |m, args| {
        let range = address::ip_to_range(text(args, 0)?, text(args, 1)?);
        if range.is_none() {
            m.cx.services.log.warn("not an address and a prefix length");
        }
        Ok(Value::str(range.unwrap_or_default()))
    }),
    Helper::new(
        "Distance",
        &[Ty::Str, Ty::Str, Ty::Str, Ty::Str],
        Ty::Float,
        |_, args| {
            let from = (text(args, 0)?, text(args, 1)?);
            let to = (text(args, 2)?, text(args, 3)?);
            distance::distance_km(from.0, from.1, to.0, to.1)
                .map(Value::Float)
                .map_err(|error| EvalError::of(error.to_string()))
        },
    )
    .fails(),
    Helper::new("LookupHost", ONE, Ty::List(&STR), |m, args| {
        match m.cx.services.resolver.forward(name(args, 0)?) {
            Lookup::Ready(addresses) => {
                let texts = addresses
                    .iter()
                    .map(|ip| Bytes::from(ip.to_string().as_bytes()));
                Ok(Value::strings(texts.collect()))
            }
            Lookup::Failed => Ok(Value::strings(Vec::new())),
            Lookup::Pending => Err(EvalError::Pending),
        }
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("GeoIPEnrich", ONE, Ty::Ptr(&structs::CITY), |m, args| {
        let geo = &m.cx.services.geo;
        if !geo.has_city() {
            return Ok(Value::Nil);
        }
        let record = geo
            .city(parsed(args)?)
            .ok_or(EvalError::fixed("lookup failed"))?;
        Ok(Value::object(CityObject(record)))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("GeoIPASNEnrich", ONE, Ty::Ptr(&structs::ASN), |m, args| {
        let geo = &m.cx.services.geo;
        if !geo.has_asn() {
            return Ok(Value::Nil);
        }
        let record = geo
            .asn(parsed(args)?)
            .ok_or(EvalError::fixed("lookup failed"))?;
        Ok(Value::object(AsnObject(record)))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new(
        "GeoIPRangeEnrich",
        ONE,
        Ty::Ptr(&structs::IP_NET),
        |m, args| {
            let geo = &m.cx.services.geo;
            if !geo.has_asn() {
                return Ok(Value::Nil);
            }
            Ok(geo
                .range(parsed(args)?)
                .map_or(Value::Nil, |range| Value::object(RangeObject(range))))
        },
    )
    .fails()
    .effect(Effect::Outside),
    Helper::new("IPToCountry", ONE, Ty::Str, |m, args| {
        let geo = &m.cx.services.geo;
        let record = net::parse_ip(text(args, 0)?).and_then(|ip| geo.city(ip));
        Ok(Value::str(record.map_or(String::new(), |record| {
            record.country.iso_code.clone()
        })))
    })
    .effect(Effect::Outside),
];

fn parsed(args: &[Value]) -> Result<std::net::IpAddr, EvalError> {
    net::parse_ip(text(args, 0)?).ok_or(EvalError::fixed("invalid address"))
}
