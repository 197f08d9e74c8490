//! Rows of every type as JSON, read back by another reader of JSON.

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationSecondArray,
    Float32Array, Float64Array, Int8Array, Int64Array, NullArray, StringArray, StringViewArray,
    StructArray, Time64MicrosecondArray, TimestampMillisecondArray, TimestampSecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field};
use serde_json::{Value, json};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

fn texts(batch: &RecordBatch, max: usize) -> Vec<(String, bool)> {
    let fields = batch.schema_ref().fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let members = Members::new(batch, names.into()).unwrap();
    (0..batch.num_rows())
        .map(|at| {
            let mut out = b"before".to_vec();
            let is_cut = members.append(at, max, &mut out);
            (String::from_utf8(out.split_off(6)).unwrap(), is_cut)
        })
        .collect()
}

fn check(array: ArrayRef, expected: &[&str]) {
    let batch = batch(vec![("v", array)]);
    let actual: Vec<String> = texts(&batch, 1 << 16)
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    assert_eq!(actual, expected);
    for text in actual {
        serde_json::from_str::<Value>(&text).unwrap();
    }
}

#[test]
fn numbers() {
    check(
        Arc::new(Int64Array::from(vec![
            Some(0),
            Some(-7),
            Some(i64::MIN),
            None,
        ])),
        &[
            r#"{"v":0}"#,
            r#"{"v":-7}"#,
            r#"{"v":-9223372036854775808}"#,
            "{}",
        ],
    );
    check(Arc::new(Int8Array::from(vec![-128])), &[r#"{"v":-128}"#]);
    check(
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        &[r#"{"v":18446744073709551615}"#],
    );
    check(
        Arc::new(Float64Array::from(vec![1.5, 1e300, f64::NAN])),
        &[r#"{"v":1.5}"#, r#"{"v":1e+300}"#, r#"{"v":null}"#],
    );
    check(Arc::new(Float32Array::from(vec![0.1])), &[r#"{"v":0.1}"#]);
    check(
        Arc::new(BooleanArray::from(vec![true, false])),
        &[r#"{"v":true}"#, r#"{"v":false}"#],
    );
    check(
        Arc::new(
            Decimal128Array::from(vec![12_345, -5, 0, i128::MIN])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        ),
        &[
            r#"{"v":123.45}"#,
            r#"{"v":-0.05}"#,
            r#"{"v":0.00}"#,
            r#"{"v":-1701411834604692317316873037158841057.28}"#,
        ],
    );
}

#[test]
fn times_and_texts() {
    check(
        Arc::new(TimestampMillisecondArray::from(vec![1_764_072_000_005, -1])),
        &[
            r#"{"v":"2025-11-25T12:00:00.005Z"}"#,
            r#"{"v":"1969-12-31T23:59:59.999Z"}"#,
        ],
    );
    check(
        Arc::new(TimestampSecondArray::from(vec![0, i64::MAX / 1_000])),
        &[
            r#"{"v":"1970-01-01T00:00:00Z"}"#,
            r#"{"v":"+292278994-08-17T07:12:55Z"}"#,
        ],
    );
    check(
        Arc::new(Date32Array::from(vec![20_782])),
        &[r#"{"v":"2026-11-25"}"#],
    );
    check(
        Arc::new(Time64MicrosecondArray::from(vec![54_245_000_001])),
        &[r#"{"v":"15:04:05.000001"}"#],
    );
    check(
        Arc::new(DurationSecondArray::from(vec![90])),
        &[r#"{"v":90}"#],
    );
    check(
        Arc::new(StringArray::from(vec!["a \"b\"\\\n\u{1}é", ""])),
        &[r#"{"v":"a \"b\"\\\n\u0001é"}"#, r#"{"v":""}"#],
    );
    check(
        Arc::new(BinaryArray::from(vec![
            &b"text"[..],
            &[0xff, 0x00],
            &[0xff],
            &[0xff; 3],
        ])),
        &[
            r#"{"v":"text"}"#,
            r#"{"v":"/wA="}"#,
            r#"{"v":"/w=="}"#,
            r#"{"v":"////"}"#,
        ],
    );
    check(Arc::new(NullArray::new(1)), &["{}"]);
}

#[test]
fn every_escape_is_read_back() {
    for len in 1..40 {
        let all: String = (0..128u8)
            .map(char::from)
            .cycle()
            .skip(len * 7)
            .take(len)
            .collect();
        let mut out = Vec::new();
        push_quoted(all.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
    }
}

#[test]
fn structures_lists_maps_and_dictionaries() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), None, Some("b")]);
    list.append_null();
    list.append_value(Vec::<Option<&str>>::new());
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.keys().append_value("gone");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    dictionary.append_value("x");
    dictionary.append_null();
    dictionary.append_value("x");
    let inner = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Utf8View, true)),
            Arc::new(StringViewArray::from(vec![
                Some("deep and longer than twelve"),
                None,
                None,
            ])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("n", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![None, Some(1), None])) as ArrayRef,
        ),
    ]);
    let batch = batch(vec![
        ("list", Arc::new(list.finish())),
        ("map", Arc::new(map.finish())),
        ("dict", Arc::new(dictionary.finish())),
        ("in", Arc::new(inner)),
    ]);
    let rows: Vec<Value> = texts(&batch, 1 << 16)
        .iter()
        .map(|(text, _)| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(
        rows,
        [
            json!({"list": ["a", null, "b"], "map": {"k": "v"}, "dict": "x",
                   "in": {"a": "deep and longer than twelve"}}),
            json!({"in": {"n": 1}}),
            json!({"list": [], "map": {}, "dict": "x", "in": {}}),
        ]
    );
}

#[test]
fn an_object_beyond_the_limit_is_cut_and_costs_no_more() {
    let long = "x".repeat(10_000);
    let batch = batch(vec![
        (
            "a",
            Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef,
        ),
        ("b", Arc::new(BinaryArray::from(vec![&[0xff; 10_000][..]]))),
    ]);
    for max in [1, 5, 100, 10_007, 10_100] {
        let (text, is_cut) = texts(&batch, max).remove(0);
        assert_eq!(text.len(), max);
        assert!(is_cut);
    }
    let (text, is_cut) = texts(&batch, 1 << 16).remove(0);
    assert!(!is_cut);
    serde_json::from_str::<Value>(&text).unwrap();
}
