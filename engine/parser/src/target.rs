//! `target:` of a static: a path from the event to one text.
//!
//! The walk is CrowdSec's (`SetTargetByName`, `pkg/parser/runtime.go`): an optional `evt.`, then
//! exact Go field names; in a map the next component is the key and the rest of the path is not
//! looked at. It is done once, at load. A path that leads to no text is legal and writes nothing.
//!
//! Two differences: labels are the event's own, so writing one does not leak into later lines of
//! the same source; and texts of an alert are UTF-8, so other bytes become U+FFFD.

use std::sync::Arc;

use overspill_event::{Event, FieldMap, SchemaBuilder, SchemaFull, Slot, Span, TextField, Tree};
use overspill_golike::strings::to_valid_string;

/// Where a static writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPath {
    /// A text outside the maps.
    Text(TextField),
    /// A field of one of the string maps.
    Field(Slot),
    /// A key of `evt.Unmarshaled`.
    Unmarshaled(Box<[u8]>),
    /// A text of the overflow.
    Overflow(OverflowText),
    /// Nowhere: the path leads to no text.
    Nowhere,
}

/// The texts of an overflow that a static can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverflowText {
    /// `evt.Overflow.Mapkey`.
    Mapkey,
    /// `evt.Overflow.Alert.Scenario`.
    Scenario,
    /// `evt.Overflow.Alert.ScenarioHash`.
    ScenarioHash,
    /// `evt.Overflow.Alert.ScenarioVersion`.
    ScenarioVersion,
    /// `evt.Overflow.Alert.Message`.
    Message,
    /// `evt.Overflow.Alert.StartAt`.
    StartAt,
    /// `evt.Overflow.Alert.StopAt`.
    StopAt,
    /// `evt.Overflow.Alert.Leakspeed`.
    Leakspeed,
    /// `evt.Overflow.Alert.Kind`.
    Kind,
    /// `evt.Overflow.Alert.UUID`.
    Uuid,
    /// `evt.Overflow.Alert.Source.Scope`.
    SourceScope,
    /// `evt.Overflow.Alert.Source.Value`.
    SourceValue,
    /// `evt.Overflow.Alert.Source.IP`.
    SourceIp,
    /// `evt.Overflow.Alert.Source.Range`.
    SourceRange,
    /// `evt.Overflow.Alert.Source.AsName`.
    SourceAsName,
    /// `evt.Overflow.Alert.Source.AsNumber`.
    SourceAsNumber,
    /// `evt.Overflow.Alert.Source.Cn`.
    SourceCn,
}

impl TargetPath {
    /// Walks a path.
    ///
    /// # Errors
    /// [`SchemaFull`] when the path names one field too many.
    pub fn parse(path: &str, schema: &mut SchemaBuilder) -> Result<Self, SchemaFull> {
        let path = path.strip_prefix("evt.").unwrap_or(path);
        let parts: Vec<&str> = path.split('.').collect();
        Ok(match parts.as_slice() {
            ["Parsed", key, ..] => Self::Field(schema.intern(FieldMap::Parsed, key)?),
            ["Meta", key, ..] => Self::Field(schema.intern(FieldMap::Meta, key)?),
            ["Enriched", key, ..] => Self::Field(schema.intern(FieldMap::Enriched, key)?),
            ["Line", "Labels", key, ..] => Self::Field(schema.intern(FieldMap::Labels, key)?),
            ["Unmarshaled", key, ..] => Self::Unmarshaled(key.as_bytes().into()),
            ["Line", "Raw"] => Self::Text(TextField::LineRaw),
            ["Line", "Src"] => Self::Text(TextField::LineSrc),
            ["Line", "Module"] => Self::Text(TextField::LineModule),
            ["Stage"] => Self::Text(TextField::Stage),
            ["WhitelistReason"] => Self::Text(TextField::WhitelistReason),
            ["StrTime"] => Self::Text(TextField::StrTime),
            ["StrTimeFormat"] => Self::Text(TextField::StrTimeFormat),
            ["MarshaledTime"] => Self::Text(TextField::MarshaledTime),
            ["Overflow", rest @ ..] => {
                OverflowText::parse(rest).map_or(Self::Nowhere, Self::Overflow)
            }
            _ => Self::Nowhere,
        })
    }

    /// Writes a piece of the event's buffer; answers whether there was a place to write to.
    pub(crate) fn write(&self, event: &mut Event, value: Span) -> bool {
        match self {
            Self::Text(field) => event.set_text_span(*field, value),
            Self::Field(slot) => event.set_span(*slot, value),
            Self::Unmarshaled(key) => {
                let text = Tree::Str(event.bytes(value).into());
                event.tree_mut().insert(key.clone(), text);
            }
            Self::Overflow(text) => {
                let value = to_valid_string(event.bytes(value)).into_owned();
                return text.write(event, value);
            }
            Self::Nowhere => return false,
        }
        true
    }
}

impl OverflowText {
    fn parse(path: &[&str]) -> Option<Self> {
        Some(match path {
            ["Mapkey"] => Self::Mapkey,
            ["Alert", "Scenario"] => Self::Scenario,
            ["Alert", "ScenarioHash"] => Self::ScenarioHash,
            ["Alert", "ScenarioVersion"] => Self::ScenarioVersion,
            ["Alert", "Message"] => Self::Message,
            ["Alert", "StartAt"] => Self::StartAt,
            ["Alert", "StopAt"] => Self::StopAt,
            ["Alert", "Leakspeed"] => Self::Leakspeed,
            ["Alert", "Kind"] => Self::Kind,
            ["Alert", "UUID"] => Self::Uuid,
            ["Alert", "Source", "Scope"] => Self::SourceScope,
            ["Alert", "Source", "Value"] => Self::SourceValue,
            ["Alert", "Source", "IP"] => Self::SourceIp,
            ["Alert", "Source", "Range"] => Self::SourceRange,
            ["Alert", "Source", "AsName"] => Self::SourceAsName,
            ["Alert", "Source", "AsNumber"] => Self::SourceAsNumber,
            ["Alert", "Source", "Cn"] => Self::SourceCn,
            _ => return None,
        })
    }

    fn write(self, event: &mut Event, value: String) -> bool {
        let Some(overflow) = &mut event.overflow else {
            return false;
        };
        let overflow = Arc::make_mut(overflow);
        match self {
            Self::Mapkey => {
                overflow.mapkey = value;
                return true;
            }
            // The map of sources shows these two as well.
            Self::SourceScope => return overflow.set_source_scope(&value),
            Self::SourceValue => return overflow.set_source_value(&value),
            _ => {}
        }
        let Some(alert) = overflow.alerts.first_mut() else {
            return false;
        };
        let place = match self {
            Self::Scenario => &mut alert.scenario,
            Self::ScenarioHash => &mut alert.scenario_hash,
            Self::ScenarioVersion => &mut alert.scenario_version,
            Self::Message => &mut alert.message,
            Self::StartAt => &mut alert.start_at,
            Self::StopAt => &mut alert.stop_at,
            Self::Leakspeed => &mut alert.leakspeed,
            Self::Kind => &mut alert.kind,
            Self::Uuid => &mut alert.uuid,
            Self::SourceIp => &mut alert.source.ip,
            Self::SourceRange => &mut alert.source.range,
            Self::SourceAsName => &mut alert.source.as_name,
            Self::SourceAsNumber => &mut alert.source.as_number,
            Self::SourceCn => &mut alert.source.cn,
            Self::Mapkey | Self::SourceScope | Self::SourceValue => {
                unreachable!("written and returned above")
            }
        };
        *place = value;
        true
    }
}

#[cfg(test)]
mod tests;
