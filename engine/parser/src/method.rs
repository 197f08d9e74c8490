//! The enrichment methods a static can name, and the fields they write.

use overspill_event::{FieldMap, SchemaBuilder, SchemaFull, Slot};

/// An enrichment method (`pkg/parser/enrich.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Country and position of an address.
    GeoIpCity,
    /// Autonomous system of an address.
    GeoIpAsn,
    /// Network of an address.
    IpToRange,
    /// First name of an address.
    ReverseDns,
    /// A date in any of many layouts.
    ParseDate,
    /// The raw line as JSON.
    UnmarshalJson,
    /// Not registered: the static's value is computed and then ignored.
    Unknown,
}

impl Method {
    /// The method of that name; [`Method::Unknown`] deserves a warning.
    #[must_use]
    pub fn by_name(name: &str) -> Self {
        match name {
            "GeoIpCity" => Self::GeoIpCity,
            "GeoIpASN" => Self::GeoIpAsn,
            "IpToRange" => Self::IpToRange,
            "reverse_dns" => Self::ReverseDns,
            "ParseDate" => Self::ParseDate,
            "UnmarshalJSON" => Self::UnmarshalJson,
            _ => Self::Unknown,
        }
    }

    /// The name items use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GeoIpCity => "GeoIpCity",
            Self::GeoIpAsn => "GeoIpASN",
            Self::IpToRange => "IpToRange",
            Self::ReverseDns => "reverse_dns",
            Self::ParseDate => "ParseDate",
            Self::UnmarshalJson => "UnmarshalJSON",
            Self::Unknown => "unknown",
        }
    }
}

/// The fields that the engine itself reads and writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineSlots {
    pub(crate) source_ip: Slot,
    /// `evt.Parsed.message`: what of the line comes after its frame.
    pub(crate) message: Slot,
    pub(crate) iso_code: Slot,
    pub(crate) is_in_eu: Slot,
    pub(crate) latitude: Slot,
    pub(crate) longitude: Slot,
    pub(crate) asn_number: Slot,
    pub(crate) as_number: Slot,
    pub(crate) asn_org: Slot,
    pub(crate) source_range: Slot,
    pub(crate) reverse_dns: Slot,
    pub(crate) marshaled_time: Slot,
}

impl EngineSlots {
    pub(crate) fn intern(schema: &mut SchemaBuilder) -> Result<Self, SchemaFull> {
        let source_ip = schema.intern(FieldMap::Meta, "source_ip")?;
        let message = schema.intern(FieldMap::Parsed, "message")?;
        let mut enriched = |name| schema.intern(FieldMap::Enriched, name);
        Ok(Self {
            source_ip,
            message,
            iso_code: enriched("IsoCode")?,
            is_in_eu: enriched("IsInEU")?,
            latitude: enriched("Latitude")?,
            longitude: enriched("Longitude")?,
            asn_number: enriched("ASNNumber")?,
            as_number: enriched("ASNumber")?,
            asn_org: enriched("ASNOrg")?,
            source_range: enriched("SourceRange")?,
            reverse_dns: enriched("reverse_dns")?,
            marshaled_time: enriched("MarshaledTime")?,
        })
    }
}
