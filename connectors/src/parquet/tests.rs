use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::*;
use crate::ledger::Account;
use crate::open::{AHEAD_BYTES_MAX, open_blob};
use crate::rows::choose::Wanted;
use crate::window::{TimeUnit, Window};

/// The moment of row 0, in seconds.
const START: i64 = 1_764_072_000;

/// Rows a second apart, in row groups of `group` rows.
fn logs(n_rows: i64, group: usize, properties: WriterProperties) -> Vec<u8> {
    let rows = 0..n_rows;
    let texts: Vec<String> = rows
        .clone()
        .map(|row| format!("line {row} of {n_rows}"))
        .collect();
    let times: Vec<i64> = rows.clone().map(|row| (START + row) * 1_000_000).collect();
    let batch = RecordBatch::try_from_iter([
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef,
        ),
        (
            "partition",
            Arc::new(Int32Array::from_iter_values(
                rows.map(|row| (row % 3) as i32),
            )),
        ),
        ("message", Arc::new(StringArray::from(texts))),
    ])
    .unwrap();
    write(&batch, group, properties)
}

fn write(batch: &RecordBatch, group: usize, properties: WriterProperties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    let mut at = 0;
    while at < batch.num_rows() {
        let len = group.min(batch.num_rows() - at);
        writer.write(&batch.slice(at, len)).unwrap();
        writer.flush().unwrap();
        at += len;
    }
    writer.close().unwrap();
    out
}

/// Rows with structures, lists and nulls.
fn nested(n_rows: i64) -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in 0..n_rows {
        match row % 4 {
            0 => tags.append_null(),
            len => tags.append_value((0..len).map(|at| Some(format!("tag-{at}")))),
        }
    }
    let host = StructArray::from(vec![(
        Arc::new(Field::new("name", DataType::Utf8, true)),
        Arc::new(StringArray::from_iter(
            (0..n_rows).map(|row| (row % 5 > 0).then(|| format!("host-{}", row % 7))),
        )) as ArrayRef,
    )]);
    RecordBatch::try_from_iter_with_nullable([
        (
            "time",
            Arc::new(Int64Array::from_iter_values(
                (0..n_rows).map(|row| START + row),
            )) as ArrayRef,
            false,
        ),
        ("host", Arc::new(host), true),
        ("tags", Arc::new(tags.finish()), true),
    ])
    .unwrap()
}

#[derive(Debug, Clone)]
struct Ask {
    wanted: Wanted,
    window: Window,
    threads: usize,
    ahead: usize,
}

fn ask() -> Ask {
    Ask {
        wanted: Wanted::default(),
        window: Window::default(),
        threads: 1,
        ahead: AHEAD_BYTES_MAX,
    }
}

fn read(bytes: Vec<u8>, ask: &Ask) -> (Vec<(u64, String)>, Account) {
    let ledger = Arc::new(Ledger::default());
    let options = Options {
        wanted: ask.wanted.clone(),
        window: ask.window,
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: ask.threads,
        ahead_bytes_max: ask.ahead,
        ledger: Arc::clone(&ledger),
    };
    let origin = Origin {
        src: "a.parquet".into(),
        ..Origin::default()
    };
    let mut source = open_blob(origin, Arc::new(Bytes::from(bytes)), options).unwrap();
    let mut lines = Vec::new();
    loop {
        let mut batch = LineBatch::default();
        let step = source.read(&mut batch).unwrap();
        lines.extend(batch.lines.iter().map(|line| {
            let text = String::from_utf8_lossy(batch.bytes(line)).into_owned();
            (line.offset, text)
        }));
        if step == Step::End {
            return (lines, ledger.account());
        }
    }
}

fn packed(codec: Compression) -> WriterProperties {
    WriterProperties::builder().set_compression(codec).build()
}

fn expected(n_rows: u64) -> Vec<(u64, String)> {
    (0..n_rows)
        .map(|row| (row, format!("line {row} of {n_rows}")))
        .collect()
}

#[test]
fn every_codec_version_and_encoding_gives_the_rows() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
    ];
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for encoding in [
                Encoding::PLAIN,
                Encoding::DELTA_LENGTH_BYTE_ARRAY,
                Encoding::DELTA_BYTE_ARRAY,
                Encoding::RLE_DICTIONARY,
            ] {
                let builder = WriterProperties::builder()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_data_page_row_count_limit(100);
                let properties = if encoding == Encoding::RLE_DICTIONARY {
                    builder.build()
                } else {
                    builder
                        .set_dictionary_enabled(false)
                        .set_column_encoding("message".into(), encoding)
                        .build()
                };
                let (lines, account) = read(logs(1_000, 400, properties), &ask());
                assert_eq!(account.dead_letters, [], "{codec} {version:?} {encoding}");
                assert_eq!(lines, expected(1_000), "{codec} {version:?} {encoding}");
                assert_eq!(account.counts.row_groups, 3);
            }
        }
    }
}

#[test]
fn a_codec_that_is_not_read_is_a_dead_letter_for_each_row_group() {
    let mut bytes = logs(10, 5, packed(Compression::SNAPPY));
    // The codec of a column is field 4 of its description, behind its path: snappy is 1, here 2.
    let from = bytes.len() - 1_500;
    let mut n = 0;
    for at in from..bytes.len() - 10 {
        if bytes[at..].starts_with(b"message\x15\x02") {
            bytes[at + 8] = 0x06;
            n += 1;
        }
    }
    assert_eq!(n, 2);
    let (lines, account) = read(bytes, &ask());
    assert_eq!(lines, []);
    let groups: Vec<_> = account
        .dead_letters
        .iter()
        .map(|letter| letter.row_group)
        .collect();
    assert_eq!(groups, [Some(0), Some(1)]);
    assert!(
        account.dead_letters[0].reason.contains("LZO"),
        "{account:?}"
    );
}

#[test]
fn threads_give_the_rows_in_order_whatever_they_may_keep() {
    let bytes = logs(20_000, 500, packed(Compression::ZSTD(Default::default())));
    for threads in [1, 2, 3, 8, 100] {
        for ahead in [0, 100_000, AHEAD_BYTES_MAX] {
            let asked = Ask {
                threads,
                ahead,
                ..ask()
            };
            let (lines, account) = read(bytes.clone(), &asked);
            assert!(lines == expected(20_000), "{threads} {ahead}");
            assert_eq!(account.counts.rows, 20_000);
        }
    }
}

#[test]
fn a_source_that_is_dropped_early_ends_its_threads() {
    let bytes = logs(50_000, 500, packed(Compression::SNAPPY));
    let options = Options {
        wanted: Wanted::default(),
        window: Window::default(),
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: 4,
        ahead_bytes_max: 10_000,
        ledger: Arc::default(),
    };
    let blob = Arc::new(Bytes::from(bytes));
    let mut source = open_blob(Origin::default(), blob, options).unwrap();
    let mut batch = LineBatch::default();
    source.read(&mut batch).unwrap();
    assert!(!batch.lines.is_empty());
    // Joins them: it would hang if one waited for room for ever.
    drop(source);
}

#[test]
fn row_groups_outside_the_window_are_not_decoded_and_rows_keep_their_numbers() {
    let bytes = logs(1_000, 100, packed(Compression::SNAPPY));
    let second = 1_000_000_000;
    let window = Window {
        since_ns: Some((START + 250) * second),
        until_ns: Some((START + 405) * second),
    };
    for threads in [1, 3] {
        let asked = Ask {
            window,
            threads,
            ..ask()
        };
        let (lines, account) = read(bytes.clone(), &asked);
        assert_eq!(lines, expected(1_000)[250..405]);
        let counts = account.counts;
        assert_eq!((counts.row_groups, counts.row_groups_pruned), (3, 7));
        assert_eq!(
            (counts.rows, counts.rows_pruned, counts.rows_outside),
            (300, 700, 145)
        );
    }
    let without = WriterProperties::builder()
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let (lines, account) = read(logs(1_000, 100, without), &Ask { window, ..ask() });
    assert_eq!(lines, expected(1_000)[250..405]);
    assert_eq!(account.counts.row_groups_pruned, 0);
}

#[test]
fn epoch_seconds_prune_too_and_a_missing_time_column_is_a_dead_letter() {
    let bytes = write(&nested(400), 100, packed(Compression::SNAPPY));
    let window = Window {
        since_ns: Some((START + 350) * 1_000_000_000),
        until_ns: None,
    };
    let wanted = |time: &str| Wanted {
        time: Some(time.to_owned()),
        ..Wanted::default()
    };
    let (lines, account) = read(
        bytes.clone(),
        &Ask {
            window,
            wanted: wanted("time"),
            ..ask()
        },
    );
    assert_eq!((lines.len(), account.counts.row_groups_pruned), (50, 3));
    let (lines, account) = read(
        bytes,
        &Ask {
            window,
            wanted: wanted("when"),
            ..ask()
        },
    );
    assert_eq!(lines, []);
    assert!(
        account.dead_letters[0]
            .reason
            .contains("no column \"when\"")
    );
}

#[test]
fn rows_with_structures_and_lists_become_objects() {
    let bytes = write(
        &nested(1_000),
        300,
        packed(Compression::GZIP(Default::default())),
    );
    let (lines, account) = read(bytes.clone(), &ask());
    assert_eq!(account.dead_letters, []);
    assert_eq!(lines.len(), 1_000);
    assert_eq!(
        lines[7].1,
        r#"{"time":1764072007,"host":{"name":"host-0"},"tags":["tag-0","tag-1","tag-2"]}"#
    );
    assert_eq!(lines[20].1, r#"{"time":1764072020,"host":{}}"#);
    for (_, line) in &lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let wanted = Wanted {
        columns: Some(vec!["tags".into(), "absent".into()]),
        ..Wanted::default()
    };
    let (lines, account) = read(bytes, &Ask { wanted, ..ask() });
    assert_eq!(lines[0], (1, r#"{"tags":["tag-0"]}"#.to_owned()));
    // A row of which all columns are null is no line.
    assert_eq!((lines.len(), account.counts.rows_empty), (750, 250));
}

#[test]
fn a_damaged_row_group_is_a_dead_letter_and_the_others_are_read() {
    let mut bytes = logs(300, 100, packed(Compression::UNCOMPRESSED));
    let at = bytes
        .windows(9)
        .position(|text| text == b"line 150 ")
        .unwrap();
    bytes[at - 400..at].fill(0xff);
    let (lines, account) = read(bytes, &ask());
    let mut left = expected(300);
    left.drain(100..200);
    assert_eq!(lines, left);
    assert_eq!(account.dead_letters.len(), 1);
    assert_eq!(account.dead_letters[0].row_group, Some(1));
    assert_eq!(account.dead_letters[0].row, Some(100));
}

#[test]
fn a_page_that_would_grow_beyond_the_limit_is_refused() {
    // Each value is the one before it: a page of one megabyte that stands for hundreds.
    let keys = Int32Array::from(vec![0; 600]);
    let values = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    let column: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
    let batch = RecordBatch::try_from_iter([("message", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .set_data_page_size_limit(64 << 20)
        .build();
    let bytes = write(&batch, 600, properties);
    assert!(bytes.len() < 4 << 20, "{}", bytes.len());
    let (lines, account) = read(bytes, &ask());
    assert_eq!(lines, []);
    assert!(
        account.dead_letters[0].reason.contains("need more than"),
        "{account:?}"
    );
}

/// A generator of numbers that is the same on every run.
fn randoms(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    }
}

#[test]
fn thousands_of_damaged_files_neither_panic_nor_hang() {
    let plain = |encoding| {
        WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_column_encoding("message".into(), encoding)
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .build()
    };
    let files = [
        logs(200, 50, packed(Compression::SNAPPY)),
        logs(200, 50, packed(Compression::ZSTD(Default::default()))),
        logs(200, 100, plain(Encoding::DELTA_BYTE_ARRAY)),
        logs(200, 100, plain(Encoding::DELTA_LENGTH_BYTE_ARRAY)),
        write(&nested(200), 100, packed(Compression::UNCOMPRESSED)),
        write(
            &nested(200),
            100,
            packed(Compression::GZIP(Default::default())),
        ),
        write(&nested(200), 100, packed(Compression::LZ4_RAW)),
    ];
    let mut random = randoms(0x9e37_79b9_7f4a_7c15);
    let (mut n_read, mut n_dead) = (0, 0);
    for round in 0..4_200 {
        let mut bytes = files[round % files.len()].clone();
        for _ in 0..=random(5) {
            let len = bytes.len();
            // Half of the hits in the footer, where a byte means most.
            let at = if random(2) == 0 {
                len - 1 - random(len.min(1_200))
            } else {
                random(len)
            };
            match random(8) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << random(8),
                2 => bytes[at] = 0xff,
                3 => bytes[at] = 0,
                4 => bytes[at] = 0x7f,
                5 => {
                    let from = random(len);
                    let run = random(16).min(len - from.max(at));
                    bytes.copy_within(from..from + run, at);
                }
                _ => bytes[at] = random(256) as u8,
            }
            if bytes.is_empty() {
                break;
            }
        }
        let asked = Ask {
            threads: 1 + round % 2,
            ..ask()
        };
        let (lines, account) = read(bytes, &asked);
        n_read += lines.len();
        n_dead += account.counts.dead_letters;
    }
    // Both happen: damage is noticed, and what is whole is read.
    assert!(n_dead > 500, "{n_dead}");
    assert!(n_read > 50_000, "{n_read}");
}
