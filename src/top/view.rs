//! How a job looks: one frame, for a terminal or as plain text.

use overspill_golike::time::Time;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table, Widget};

use super::{History, Top};
use crate::report::human::grouped;
use crate::report::term::safe;

/// Heights of a curve.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Letters of a curve.
const CURVE_WIDTH: usize = 16;
/// Letters of the share of a worker.
const SHARE_WIDTH: usize = 20;
/// Lines above the lists.
const HEAD_HEIGHT: u16 = 3;
/// Rows of a list in plain text.
const PLAIN_ROWS_MAX: usize = 20;

/// A list of the frame.
struct Section {
    title: String,
    /// Heads and widths of the columns but the first, which takes what is left.
    columns: Vec<(&'static str, u16)>,
    rows: Vec<Vec<String>>,
    /// Rows that something is wrong with.
    is_bad: Vec<bool>,
}

/// Draws the newest look.
pub fn draw(frame: &mut Frame<'_>, history: &History, note: &str) {
    render(frame.area(), frame.buffer_mut(), history, note);
}

/// The same as text, as high as it needs to be.
#[must_use]
pub fn plain(history: &History, width: u16) -> String {
    let mut height = HEAD_HEIGHT;
    for section in sections(history) {
        let n = section.rows.len().min(PLAIN_ROWS_MAX);
        height = height.saturating_add(u16::try_from(n + 2).unwrap_or(u16::MAX));
    }
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    render(area, &mut buffer, history, "");
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width)
            .filter_map(|x| buffer.cell((x, y)).map(|cell| cell.symbol()))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

fn render(area: Rect, buffer: &mut Buffer, history: &History, note: &str) {
    for (line, y) in head(history, note).into_iter().zip(0..HEAD_HEIGHT) {
        if y < area.height {
            buffer.set_line(area.x, area.y + y, &line, area.width);
        }
    }
    let sections = sections(history);
    let room = area.height.saturating_sub(HEAD_HEIGHT);
    let wanted: Vec<u16> = sections
        .iter()
        .map(|section| u16::try_from(section.rows.len() + 2).unwrap_or(u16::MAX))
        .collect();
    let mut y = area.y + HEAD_HEIGHT.min(area.height);
    for (section, height) in sections.iter().zip(share_out(&wanted, room)) {
        let place = Rect::new(area.x, y, area.width, height);
        y += height;
        list(section, place, buffer);
    }
}

/// Gives each what it wants, or of what there is as much as the others.
fn share_out(wanted: &[u16], room: u16) -> Vec<u16> {
    let mut given = vec![0; wanted.len()];
    let mut left = room;
    // A row at a time: whoever wants no more leaves the rest to the others.
    loop {
        let before = left;
        for (given, wanted) in given.iter_mut().zip(wanted) {
            if *given < *wanted && left > 0 {
                *given += 1;
                left -= 1;
            }
        }
        if left == before {
            return given;
        }
    }
}

fn list(section: &Section, area: Rect, buffer: &mut Buffer) {
    // The last line keeps a distance.
    let height = area.height.saturating_sub(1);
    if height == 0 {
        return;
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let heads = section.columns.iter().map(|(head, _)| (*head).to_owned());
    let heads: Vec<Cell<'_>> = std::iter::once(section.title.clone())
        .chain(heads)
        .map(Cell::from)
        .collect();
    let rows = section
        .rows
        .iter()
        .zip(&section.is_bad)
        .map(|(row, is_bad)| {
            let row = Row::new(row.iter().map(|text| Cell::from(safe(text))));
            match is_bad {
                true => row.style(Style::new().fg(Color::Yellow)),
                false => row,
            }
        });
    let widths = std::iter::once(Constraint::Fill(1)).chain(
        section
            .columns
            .iter()
            .map(|(_, width)| Constraint::Length(*width)),
    );
    let table = Table::new(rows, widths)
        .header(Row::new(heads).style(bold))
        .column_spacing(2);
    Widget::render(table, Rect { height, ..area }, buffer);
}

fn head(history: &History, note: &str) -> Vec<Line<'static>> {
    let top = history.newest();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let state = match &top.unready {
        None => Span::styled("ready", Style::new().fg(Color::Green)),
        Some(why) => Span::styled(safe(why), Style::new().fg(Color::Yellow)),
    };
    let first = vec![
        Span::styled(format!("overspill {}", safe(&top.version)), bold),
        Span::raw(format!(
            "  {}  up {}  ",
            safe(&top.node),
            duration(top.uptime_secs)
        )),
        state,
        Span::styled(format!("  {note}"), Style::new().fg(Color::Red)),
    ];
    let depth = top.depth_ns.map_or("-".to_owned(), |ns| duration(secs(ns)));
    let checkpoint = match &top.checkpoint {
        None => "none".to_owned(),
        Some(checkpoint) => {
            let age = checkpoint.age_secs.map_or_else(
                || "none yet".to_owned(),
                |secs| format!("{} ago", duration(secs)),
            );
            let (size, n) = (bytes(checkpoint.bytes), grouped(checkpoint.kept));
            match checkpoint.failed {
                0 => format!("{age}, {size}, {n} kept"),
                failed => format!("{age}, {size}, {n} kept, {failed} FAILED"),
            }
        }
    };
    let second = format!(
        "lines {} ({}/s)  unparsed {}  alerts {} (withdrawn {})  buckets {}",
        grouped(top.lines),
        rate(history.line_rate()),
        grouped(top.unparsed),
        grouped(top.alerts_given),
        grouped(top.alerts_withdrawn),
        grouped(top.live_buckets),
    );
    let at = top.final_ns.map_or("-".to_owned(), moment);
    let third = format!("final up to {at}  beyond it {depth}  checkpoint {checkpoint}");
    vec![Line::from(first), Line::from(second), Line::from(third)]
}

fn sections(history: &History) -> Vec<Section> {
    let top = history.newest();
    let all = [
        sources(history, top),
        partitions(top),
        scenarios(history, top),
        attackers(top),
        workers(history, top),
    ];
    all.into_iter()
        .filter(|section| !section.rows.is_empty())
        .collect()
}

fn sources(history: &History, top: &Top) -> Section {
    let rows = top.sources.iter().map(|source| {
        let lag = match (source.lag_bytes, source.lag_lines) {
            (_, Some(lines)) => format!("{} lines", grouped(lines)),
            (Some(n), None) => bytes(n),
            (None, None) => "-".to_owned(),
        };
        let lines_rate = match source.is_read {
            true => rate(history.source_rate(&source.id)),
            false => "ended".to_owned(),
        };
        vec![
            source.id.clone(),
            source.module.clone(),
            lines_rate,
            curve(history.curve(&source.id)),
            lag,
            grouped(source.lost),
            grouped(source.errors),
        ]
    });
    Section {
        title: "SOURCE".to_owned(),
        columns: vec![
            ("KIND", 8),
            ("LINES/S", 9),
            ("", u16::try_from(CURVE_WIDTH).unwrap_or(u16::MAX)),
            ("BEHIND", 12),
            ("LOST", 7),
            ("ERRORS", 7),
        ],
        is_bad: top
            .sources
            .iter()
            .map(|source| !source.is_read || source.lost + source.errors > 0)
            .collect(),
        rows: rows.collect(),
    }
}

fn partitions(top: &Top) -> Section {
    let rows = top.partitions.iter().map(|partition| {
        let behind = |ns: i64| duration(secs(top.now_ns.saturating_sub(ns)));
        vec![
            partition.name.clone(),
            partition.source.clone(),
            partition.watermark_ns.map_or("-".to_owned(), moment),
            partition.watermark_ns.map_or("-".to_owned(), behind),
            partition.queued.to_string(),
        ]
    });
    Section {
        title: format!("PARTITION ({})", top.n_partitions),
        columns: vec![
            ("SOURCE", 22),
            ("WATERMARK", 20),
            ("BEHIND", 9),
            ("QUEUED", 7),
        ],
        is_bad: vec![false; top.partitions.len()],
        rows: rows.collect(),
    }
}

fn scenarios(history: &History, top: &Top) -> Section {
    let rows = top.scenarios.iter().map(|scenario| {
        vec![
            scenario.name.clone(),
            rate(history.scenario_rate(&scenario.name)),
            grouped(scenario.pours),
            grouped(scenario.live),
            grouped(scenario.overflows),
        ]
    });
    Section {
        title: "SCENARIO".to_owned(),
        columns: vec![
            ("POURS/S", 9),
            ("POURS", 14),
            ("BUCKETS", 10),
            ("OVERFLOWS", 10),
        ],
        is_bad: vec![false; top.scenarios.len()],
        rows: rows.collect(),
    }
}

fn attackers(top: &Top) -> Section {
    let rows = top.attackers.iter().map(|attacker| {
        vec![
            attacker.value.clone(),
            grouped(attacker.alerts),
            attacker.scenario.clone(),
        ]
    });
    Section {
        title: "ALERTED ON".to_owned(),
        columns: vec![("ALERTS", 8), ("LAST SCENARIO", 44)],
        is_bad: vec![false; top.attackers.len()],
        rows: rows.collect(),
    }
}

fn workers(history: &History, top: &Top) -> Section {
    let rows = top.threads.iter().map(|thread| {
        let share = history.busy(&thread.name);
        let text = share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        vec![
            thread.name.clone(),
            text,
            share.map(bar).unwrap_or_default(),
        ]
    });
    let silent = match top.n_silent {
        0 => String::new(),
        n => format!(" ({n} NOT ANSWERING)"),
    };
    Section {
        title: format!("WORKER{silent}"),
        columns: vec![
            ("BUSY", 6),
            ("", u16::try_from(SHARE_WIDTH).unwrap_or(u16::MAX)),
        ],
        is_bad: vec![top.n_silent > 0; top.threads.len()],
        rows: rows.collect(),
    }
}

fn secs(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Rates as letters, the newest last, as high as the highest of them.
fn curve(rates: impl Iterator<Item = f64>) -> String {
    let mut rates: Vec<f64> = rates.collect();
    rates.drain(..rates.len().saturating_sub(CURVE_WIDTH));
    let highest = rates.iter().copied().fold(0.0, f64::max);
    rates
        .iter()
        .map(|rate| {
            let height = match highest > 0.0 {
                true => rate / highest,
                false => 0.0,
            };
            BARS[part(height, BARS.len() - 1)]
        })
        .collect()
}

fn bar(share: f64) -> String {
    let n = part(share, SHARE_WIDTH);
    format!("{}{}", "█".repeat(n), "░".repeat(SHARE_WIDTH - n))
}

/// A part of so many, rounded.
fn part(share: f64, of: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and a small number"
    )]
    let n = (share.clamp(0.0, 1.0) * of as f64).round() as usize;
    n.min(of)
}

fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates of counters are no less than 0 and far below the limit"
        )]
        Some(rate) => grouped(rate.round() as u64),
    }
}

fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1_000.0 {
            return match unit {
                "B" => format!("{n} B"),
                _ => format!("{size:.1} {unit}"),
            };
        }
        size /= 1_000.0;
    }
    format!("{size:.1} TB")
}

/// Seconds for people.
fn duration(secs: f64) -> String {
    if secs < 10.0 {
        return format!("{:.1}s", secs.max(0.0));
    }
    let mut whole = part(secs / 1e9, 1_000_000_000);
    let mut text = String::new();
    for (unit, of) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let n = whole / of;
        whole %= of;
        if n > 0 {
            text.push_str(&format!("{n}{unit}"));
            // Two units say enough.
            if text.matches(|letter: char| letter.is_alphabetic()).count() == 2 {
                break;
            }
        }
    }
    text
}

fn moment(ns: i64) -> String {
    let mut text = Vec::new();
    overspill_golike::time::append_rfc3339(&Time::from_unix_ns(ns), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::top::{Attacker, Checkpoint, Partition, Scenario, Source, Thread};

    fn top(at_secs: u64) -> Top {
        Top {
            version: "0.1.0".to_owned(),
            node: "web1".to_owned(),
            now_ns: 1_735_725_610_000_000_000,
            uptime_secs: at_secs as f64,
            lines: at_secs * 1_500,
            unparsed: 7,
            alerts_given: 12,
            alerts_withdrawn: 1,
            live_buckets: 1_234,
            depth_ns: Some(2_500_000_000),
            final_ns: Some(1_735_725_604_000_000_000),
            n_partitions: 1,
            threads: vec![Thread {
                name: "worker 0".to_owned(),
                cpu_secs: at_secs as f64 / 4.0,
            }],
            sources: vec![Source {
                id: "file-1".to_owned(),
                module: "file".to_owned(),
                is_read: true,
                lines: at_secs * at_secs * 10,
                lag_bytes: Some(12_345),
                ..Source::default()
            }],
            partitions: vec![Partition {
                source: "file-1".to_owned(),
                name: "/var/log/\u{1b}[31mauth.log".to_owned(),
                watermark_ns: Some(1_735_725_605_000_000_000),
                queued: 3,
            }],
            scenarios: vec![Scenario {
                name: "overspill/ssh-bf".to_owned(),
                pours: at_secs * 3,
                overflows: 4,
                live: 2,
            }],
            attackers: vec![Attacker {
                value: "192.0.2.7".to_owned(),
                scenario: "overspill/ssh-bf".to_owned(),
                alerts: 3,
            }],
            checkpoint: Some(Checkpoint {
                age_secs: Some(3.0),
                bytes: 4_321,
                kept: 17,
                failed: 0,
            }),
            ..Top::default()
        }
    }

    fn history() -> History {
        let mut history = History::default();
        for at_secs in 100..104 {
            history.push(top(at_secs));
        }
        history
    }

    #[test]
    fn a_frame_as_text() {
        expect![[r#"
            overspill 0.1.0  web1  up 1m43s  ready
            lines 154,500 (1,500/s)  unparsed 7  alerts 12 (withdrawn 1)  buckets 1,234
            final up to 2025-01-01T10:00:04Z  beyond it 2.5s  checkpoint 3.0s ago, 4.3 kB, 17 kept
            SOURCE                         KIND      LINES/S                      BEHIND        LOST     ERRORS
            file-1                         file      2,050      ███               12.3 kB       0        0

            PARTITION (1)                       SOURCE                  WATERMARK             BEHIND     QUEUED
            /var/log/�[31mauth.log              file-1                  2025-01-01T10:00:05Z  5.0s       3

            SCENARIO                                           POURS/S    POURS           BUCKETS     OVERFLOWS
            overspill/ssh-bf                                   3.0        309             2           4

            ALERTED ON                                    ALERTS    LAST SCENARIO
            192.0.2.7                                     3         overspill/ssh-bf

            WORKER                                                                  BUSY
            worker 0                                                                25 %    █████░░░░░░░░░░░░░░░
        "#]].assert_eq(&plain(&history(), 100));
    }

    #[test]
    fn a_terminal_of_any_size_shows_what_it_can() {
        for (width, height) in [(120, 40), (80, 24), (40, 8), (10, 2), (1, 1)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal
                .draw(|frame| draw(frame, &history(), "no answer"))
                .unwrap();
            let text = terminal.backend().to_string();
            assert!(!text.contains('\u{1b}'), "{text}");
            if width >= 80 {
                assert!(
                    text.contains("no answer") && text.contains("file-1"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn room_is_shared_out() {
        assert_eq!(share_out(&[3, 4], 20), [3, 4]);
        assert_eq!(share_out(&[3, 10, 10], 11), [3, 4, 4]);
        assert_eq!(share_out(&[3, 10], 0), [0, 0]);
    }

    #[test]
    fn numbers_are_for_people() {
        for (secs, text) in [
            (0.0, "0.0s"),
            (9.94, "9.9s"),
            (59.0, "59s"),
            (3_600.0, "1h"),
            (90_061.0, "1d1h"),
        ] {
            assert_eq!(duration(secs), text);
        }
        for (n, text) in [
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (7_000_000_000_000, "7.0 TB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(rate(Some(1_234.4)), "1,234");
        assert_eq!(curve([0.0, 5.0, 10.0].into_iter()), "▁▅█");
        assert_eq!(curve([0.0, 0.0].into_iter()), "▁▁");
        assert_eq!(bar(0.5).matches('█').count(), SHARE_WIDTH / 2);
    }
}
