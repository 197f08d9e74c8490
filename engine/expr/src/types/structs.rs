//! The structures of CrowdSec's environments (`pkg/pipeline`, `pkg/models`).

use super::{ANY, INT, Method, STR, Struct, Ty};
use crate::value::IntKind;

const INT32: Ty = Ty::Sized(IntKind::Int32);
const INT64: Ty = Ty::Sized(IntKind::Int64);
static INT32_TY: Ty = INT32;
static BOOL_TY: Ty = Ty::Bool;
const STRINGS: Ty = Ty::Map(&STR);
const TEXT_PTR: Ty = Ty::PtrTo(&STR);
static RULE: Ty = Ty::Map(&ANY);

/// A method that takes strings.
const fn method(name: &'static str, params: &'static [Ty], result: Ty) -> Method {
    Method {
        name,
        needs_pointer: false,
        params,
        is_variadic: false,
        result,
    }
}

/// A method that only a pointer has.
const fn pointer_method(name: &'static str, params: &'static [Ty], result: Ty) -> Method {
    Method {
        name,
        needs_pointer: true,
        params,
        is_variadic: false,
        result,
    }
}

pub(crate) static EVENT: Struct = Struct {
    name: "pipeline.Event",
    fields: &[
        ("Type", Ty::Int),
        ("ExpectMode", Ty::Int),
        ("Whitelisted", Ty::Bool),
        ("WhitelistReason", Ty::Str),
        ("Stage", Ty::Str),
        ("Line", Ty::Struct(&LINE)),
        ("Parsed", STRINGS),
        ("Enriched", STRINGS),
        ("Unmarshaled", Ty::Map(&ANY)),
        ("Overflow", Ty::Struct(&OVERFLOW)),
        ("Time", Ty::Time),
        ("StrTime", Ty::Str),
        ("StrTimeFormat", Ty::Str),
        ("MarshaledTime", Ty::Str),
        ("Process", Ty::Bool),
        ("Appsec", Ty::Struct(&APPSEC)),
        ("Meta", STRINGS),
    ],
    methods: &[
        pointer_method("SetMeta", &[Ty::Str, Ty::Str], Ty::Bool),
        pointer_method("SetParsed", &[Ty::Str, Ty::Str], Ty::Bool),
        pointer_method("GetType", &[], Ty::Str),
        pointer_method("GetMeta", &[Ty::Str], Ty::Str),
        pointer_method("ParseIPSources", &[], Ty::List(&ANY)),
    ],
};

pub(crate) static LINE: Struct = Struct {
    name: "pipeline.Line",
    fields: &[
        ("Raw", Ty::Str),
        ("Src", Ty::Str),
        ("Time", Ty::Time),
        ("Labels", STRINGS),
        ("Process", Ty::Bool),
        ("Module", Ty::Str),
    ],
    methods: &[],
};

pub(crate) static OVERFLOW: Struct = Struct {
    name: "pipeline.RuntimeAlert",
    fields: &[
        ("Mapkey", Ty::Str),
        ("BucketId", Ty::Str),
        ("Whitelisted", Ty::Bool),
        ("Reprocess", Ty::Bool),
        ("Sources", Ty::Map(&SOURCE_VALUE)),
        ("Alert", Ty::Ptr(&ALERT)),
        ("APIAlerts", Ty::List(&ALERT_VALUE)),
    ],
    methods: &[method("GetSources", &[], Ty::List(&STR))],
};

static SOURCE_VALUE: Ty = Ty::Struct(&SOURCE);
static ALERT_VALUE: Ty = Ty::Struct(&ALERT);
static ALERT_EVENT_PTR: Ty = Ty::Ptr(&ALERT_EVENT);
static META_ITEM_PTR: Ty = Ty::Ptr(&META_ITEM);
static DECISION_PTR: Ty = Ty::Ptr(&DECISION);

pub(crate) static ALERT: Struct = Struct {
    name: "models.Alert",
    fields: &[
        ("Capacity", Ty::PtrTo(&INT32_TY)),
        ("CreatedAt", Ty::Str),
        ("Decisions", Ty::List(&DECISION_PTR)),
        ("Events", Ty::List(&ALERT_EVENT_PTR)),
        ("EventsCount", Ty::PtrTo(&INT32_TY)),
        ("ID", INT64),
        ("Kind", Ty::Str),
        ("Labels", Ty::List(&STR)),
        ("Leakspeed", TEXT_PTR),
        ("MachineID", Ty::Str),
        ("Message", TEXT_PTR),
        ("Meta", Ty::List(&META_ITEM_PTR)),
        ("Remediation", Ty::Bool),
        ("Scenario", TEXT_PTR),
        ("ScenarioHash", TEXT_PTR),
        ("ScenarioVersion", TEXT_PTR),
        ("Simulated", Ty::PtrTo(&BOOL_TY)),
        ("Source", Ty::Ptr(&SOURCE)),
        ("StartAt", TEXT_PTR),
        ("StopAt", TEXT_PTR),
        ("UUID", Ty::Str),
    ],
    methods: &[
        pointer_method("GetScope", &[], Ty::Str),
        pointer_method("GetValue", &[], Ty::Str),
        pointer_method("GetScenario", &[], Ty::Str),
        pointer_method("GetEventsCount", &[], INT32),
        pointer_method("GetMeta", &[Ty::Str], Ty::Str),
    ],
};

pub(crate) static SOURCE: Struct = Struct {
    name: "models.Source",
    fields: &[
        ("AsName", Ty::Str),
        ("AsNumber", Ty::Str),
        ("Cn", Ty::Str),
        ("IP", Ty::Str),
        ("Latitude", Ty::Float32),
        ("Longitude", Ty::Float32),
        ("Range", Ty::Str),
        ("Scope", TEXT_PTR),
        ("Value", TEXT_PTR),
    ],
    methods: &[
        method("GetScope", &[], Ty::Str),
        method("GetValue", &[], Ty::Str),
        method("GetAsNumberName", &[], Ty::Str),
        method("String", &[], Ty::Str),
    ],
};

pub(crate) static ALERT_EVENT: Struct = Struct {
    name: "models.Event",
    fields: &[("Meta", Ty::List(&META_ITEM_PTR)), ("Timestamp", TEXT_PTR)],
    methods: &[pointer_method("GetMeta", &[Ty::Str], Ty::Str)],
};

pub(crate) static META_ITEM: Struct = Struct {
    name: "models.MetaItems0",
    fields: &[("Key", Ty::Str), ("Value", Ty::Str)],
    methods: &[],
};

pub(crate) static DECISION: Struct = Struct {
    name: "models.Decision",
    fields: &[
        ("Duration", TEXT_PTR),
        ("ID", INT64),
        ("Origin", TEXT_PTR),
        ("Scenario", TEXT_PTR),
        ("Scope", TEXT_PTR),
        ("Simulated", Ty::PtrTo(&BOOL_TY)),
        ("Type", TEXT_PTR),
        ("UUID", Ty::Str),
        ("Until", Ty::Str),
        ("Value", TEXT_PTR),
    ],
    methods: &[],
};

pub(crate) static APPSEC: Struct = Struct {
    name: "pipeline.AppsecEvent",
    fields: &[
        ("HasInBandMatches", Ty::Bool),
        ("HasOutBandMatches", Ty::Bool),
        ("MatchedRules", Ty::List(&RULE)),
        ("Vars", STRINGS),
        ("HookVars", STRINGS),
    ],
    methods: &[
        method("GetName", &[], Ty::Str),
        method("GetNames", &[], Ty::List(&STR)),
        method("GetRuleIDs", &[], Ty::List(&INT)),
        method("GetURI", &[], Ty::Str),
        method("GetMethod", &[], Ty::Str),
        method("GetHash", &[], Ty::Str),
        method("GetVersion", &[], Ty::Str),
        method("Kinds", &[], Ty::List(&STR)),
        method("GetMatchedZones", &[], Ty::List(&STR)),
        method("GetHighestSeverity", &[], Ty::Str),
        method("GetVar", &[Ty::Str], Ty::Str),
        method("ByID", &[Ty::Int], Ty::List(&RULE)),
        method("ByKind", &[Ty::Str], Ty::List(&RULE)),
        method("ByTag", &[Ty::Str], Ty::List(&RULE)),
        method("ByTags", &[Ty::List(&STR)], Ty::List(&RULE)),
        method("ByTagRx", &[Ty::Str], Ty::List(&RULE)),
        method("ByDisruptiveness", &[Ty::Bool], Ty::List(&RULE)),
        method("BySeverity", &[Ty::Str], Ty::List(&RULE)),
        method("ByAccuracy", &[Ty::Str], Ty::List(&RULE)),
        method("GetField", &[Ty::Any], Ty::List(&ANY)),
    ],
};

pub(crate) static QUEUE: Struct = Struct {
    name: "pipeline.Queue",
    fields: &[("Queue", Ty::List(&super::EVENT)), ("L", Ty::Int)],
    methods: &[pointer_method("GetQueue", &[], Ty::List(&super::EVENT))],
};

pub(crate) static LEAKY: Struct = Struct {
    name: "leakybucket.Leaky",
    fields: &[
        ("Name", Ty::Str),
        ("Mode", Ty::Int),
        ("Limiter", Ty::Any),
        ("Queue", Ty::Ptr(&QUEUE)),
        ("Mapkey", Ty::Str),
        ("Uuid", Ty::Str),
        ("First_ts", Ty::Time),
        ("Last_ts", Ty::Time),
        ("Ovflw_ts", Ty::Time),
        ("Total_count", Ty::Int),
        ("Factory", Ty::Any),
        ("Duration", Ty::Duration),
    ],
    methods: &[],
};

pub(crate) static CITY: Struct = Struct {
    name: "geoip2.City",
    fields: &[
        ("City", Ty::Any),
        ("Continent", Ty::Any),
        ("Country", Ty::Any),
        ("Location", Ty::Any),
        ("Postal", Ty::Any),
        ("RegisteredCountry", Ty::Any),
        ("RepresentedCountry", Ty::Any),
    ],
    methods: &[],
};

pub(crate) static ASN: Struct = Struct {
    name: "geoip2.ASN",
    fields: &[
        ("AutonomousSystemNumber", Ty::Sized(IntKind::Uint)),
        ("AutonomousSystemOrganization", Ty::Str),
    ],
    methods: &[],
};

pub(crate) static IP_NET: Struct = Struct {
    name: "net.IPNet",
    fields: &[("IP", Ty::Any), ("Mask", Ty::Any)],
    methods: &[
        pointer_method("String", &[], Ty::Str),
        pointer_method("Network", &[], Ty::Str),
    ],
};

pub(crate) static REQUEST: Struct = Struct {
    name: "http.Request",
    fields: &[
        ("Method", Ty::Str),
        ("URL", Ty::Any),
        ("Proto", Ty::Str),
        ("ProtoMajor", Ty::Int),
        ("ProtoMinor", Ty::Int),
        ("Header", Ty::Any),
        ("Body", Ty::Any),
        ("ContentLength", INT64),
        ("Close", Ty::Bool),
        ("Host", Ty::Str),
        ("Form", Ty::Any),
        ("PostForm", Ty::Any),
        ("Trailer", Ty::Any),
        ("RemoteAddr", Ty::Str),
        ("RequestURI", Ty::Str),
        ("TLS", Ty::Any),
        ("Response", Ty::Any),
        ("Pattern", Ty::Str),
    ],
    methods: &[
        pointer_method("UserAgent", &[], Ty::Str),
        pointer_method("Referer", &[], Ty::Str),
        pointer_method("FormValue", &[Ty::Str], Ty::Str),
        pointer_method("PostFormValue", &[Ty::Str], Ty::Str),
    ],
};

/// Methods of `time.Time`, `time.Duration`, `time.Weekday` and `time.Month`.
pub(crate) static TIME_METHODS: &[Method] = &[
    method("Year", &[], Ty::Int),
    method("Month", &[], Ty::Sized(IntKind::Month)),
    method("Day", &[], Ty::Int),
    method("Hour", &[], Ty::Int),
    method("Minute", &[], Ty::Int),
    method("Second", &[], Ty::Int),
    method("Nanosecond", &[], Ty::Int),
    method("Weekday", &[], Ty::Sized(IntKind::Weekday)),
    method("YearDay", &[], Ty::Int),
    method("Unix", &[], INT64),
    method("UnixMilli", &[], INT64),
    method("UnixMicro", &[], INT64),
    method("UnixNano", &[], INT64),
    method("Format", &[Ty::Str], Ty::Str),
    method("String", &[], Ty::Str),
    method("UTC", &[], Ty::Time),
    method("Add", &[Ty::Duration], Ty::Time),
    method("AddDate", &[Ty::Int, Ty::Int, Ty::Int], Ty::Time),
    method("Sub", &[Ty::Time], Ty::Duration),
    method("Truncate", &[Ty::Duration], Ty::Time),
    method("Round", &[Ty::Duration], Ty::Time),
    method("After", &[Ty::Time], Ty::Bool),
    method("Before", &[Ty::Time], Ty::Bool),
    method("Equal", &[Ty::Time], Ty::Bool),
    method("Compare", &[Ty::Time], Ty::Int),
    method("IsZero", &[], Ty::Bool),
];

pub(crate) static DURATION_METHODS: &[Method] = &[
    method("Hours", &[], Ty::Float),
    method("Minutes", &[], Ty::Float),
    method("Seconds", &[], Ty::Float),
    method("Milliseconds", &[], INT64),
    method("Microseconds", &[], INT64),
    method("Nanoseconds", &[], INT64),
    method("String", &[], Ty::Str),
    method("Abs", &[], Ty::Duration),
    method("Truncate", &[Ty::Duration], Ty::Duration),
    method("Round", &[Ty::Duration], Ty::Duration),
];

pub(crate) static NAMED_INT_METHODS: &[Method] = &[method("String", &[], Ty::Str)];
