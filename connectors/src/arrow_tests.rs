use std::io::Write;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;
use crate::ledger::{Account, Ledger};
use crate::open::{AHEAD_BYTES_MAX, open_path};
use crate::rows::choose::Wanted;
use crate::window::{TimeUnit, Window};

fn batches() -> Vec<RecordBatch> {
    (0..3)
        .map(|n| {
            let times: Vec<i64> = (0..1_000)
                .map(|row| 1_764_072_000 + n * 1_000 + row)
                .collect();
            let texts: Vec<String> = times.iter().map(|time| format!("line at {time}")).collect();
            let mut hosts = StringDictionaryBuilder::<Int32Type>::new();
            (0..1_000).for_each(|row| hosts.append_value(format!("host-{}", row % 7)));
            RecordBatch::try_from_iter([
                ("time", Arc::new(Int64Array::from(times)) as ArrayRef),
                ("message", Arc::new(StringArray::from(texts))),
                ("host", Arc::new(hosts.finish())),
            ])
            .unwrap()
        })
        .collect()
}

fn written(form: Form, packed: Option<CompressionType>) -> Vec<u8> {
    let batches = batches();
    let options = IpcWriteOptions::default()
        .try_with_compression(packed)
        .unwrap();
    let mut out = Vec::new();
    let schema = batches[0].schema();
    match form {
        Form::Stream => {
            let mut writer =
                StreamWriter::try_new_with_options(&mut out, &schema, options).unwrap();
            batches
                .iter()
                .for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        Form::File => {
            let options =
                options.with_dictionary_handling(arrow_ipc::writer::DictionaryHandling::Delta);
            let mut writer = FileWriter::try_new_with_options(&mut out, &schema, options).unwrap();
            batches
                .iter()
                .for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
    }
    out
}

fn read(bytes: &[u8], message: Option<&str>, window: Window) -> (Vec<String>, Account) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let ledger = Arc::new(Ledger::default());
    let options = Options {
        wanted: Wanted {
            message: message.map(str::to_owned),
            columns: None,
            time: Some("time".to_owned()),
        },
        window,
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: 1,
        ahead_bytes_max: AHEAD_BYTES_MAX,
        ledger: Arc::clone(&ledger),
    };
    let origin = Origin {
        src: file.path().display().to_string(),
        ..Origin::default()
    };
    let mut lines = Vec::new();
    if let Ok(mut source) = open_path(origin, options) {
        loop {
            let mut batch = LineBatch::default();
            let step = source.read(&mut batch).unwrap();
            lines.extend(batch.lines.iter().map(|line| {
                let text = String::from_utf8_lossy(batch.bytes(line));
                format!("{} {text}", line.offset)
            }));
            if step == Step::End {
                break;
            }
        }
    }
    (lines, ledger.account())
}

#[test]
fn both_forms_and_every_compression_give_the_rows() {
    for form in [Form::Stream, Form::File] {
        for packed in [
            None,
            Some(CompressionType::LZ4_FRAME),
            Some(CompressionType::ZSTD),
        ] {
            let bytes = written(form, packed);
            let (lines, account) = read(&bytes, Some("message"), Window::default());
            assert_eq!(account.dead_letters, [], "{form:?} {packed:?}");
            assert_eq!(lines.len(), 3_000);
            assert_eq!(lines[2_999], "2999 line at 1764074999");
            assert_eq!(account.counts.row_groups, 3);
            let (lines, _) = read(&bytes, None, Window::default());
            assert_eq!(
                lines[8],
                r#"8 {"time":1764072008,"message":"line at 1764072008","host":"host-1"}"#
            );
        }
    }
}

#[test]
fn rows_outside_the_window_are_left_out_and_counted() {
    let window = Window {
        since_ns: Some(1_764_072_999 * 1_000_000_000),
        until_ns: Some(1_764_073_002 * 1_000_000_000),
    };
    let (lines, account) = read(&written(Form::Stream, None), Some("message"), window);
    assert_eq!(
        lines,
        [
            "999 line at 1764072999",
            "1000 line at 1764073000",
            "1001 line at 1764073001"
        ]
    );
    assert_eq!(account.counts.rows_outside, 2_997);
}

#[test]
fn a_cut_stream_gives_what_is_whole_and_then_a_dead_letter() {
    let bytes = written(Form::Stream, None);
    let (lines, account) = read(
        &bytes[..bytes.len() / 2],
        Some("message"),
        Window::default(),
    );
    assert_eq!(lines.len(), 1_000);
    assert_eq!(account.dead_letters.len(), 1);
    assert!(account.dead_letters[0].reason.contains("ends within"));
    assert_eq!(account.dead_letters[0].row, Some(1_000));
}

#[test]
fn damaged_bytes_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    for form in [Form::Stream, Form::File] {
        for packed in [None, Some(CompressionType::ZSTD)] {
            let whole = written(form, packed);
            for _ in 0..150 {
                let mut bytes = whole.clone();
                for _ in 0..=random() % 4 {
                    // Half of the hits where the descriptions are.
                    let span = if random() % 2 == 0 {
                        1_500
                    } else {
                        bytes.len()
                    };
                    let at = 8 + random() % (span - 8);
                    bytes[at] = [0, 0xff, 0x7f, random() as u8][random() % 4];
                }
                let (lines, _) = read(&bytes, None, Window::default());
                assert!(lines.len() <= 3_000 + 1_000);
            }
        }
    }
}
