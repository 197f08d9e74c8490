//! `source: stdin` and `source: command`, which are ours.

use overspill_event::Origin;

use super::AcquisitionKind;
use super::table::Table;
use crate::command::{CommandConfig, Restart};
use crate::lines::LINE_BYTES_MAX;

/// Largest line that can be asked for.
const LINE_BYTES_MOST: u64 = 1 << 30;

fn line_bytes_max(table: &mut Table<'_>) -> usize {
    table
        .number("max_buffer_size", LINE_BYTES_MOST)
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(LINE_BYTES_MAX)
}

/// Standard input.
pub(super) fn stdin(
    table: &mut Table<'_>,
    origin: Origin,
) -> Option<(Vec<String>, AcquisitionKind)> {
    let line_bytes_max = line_bytes_max(table);
    let kind = AcquisitionKind::Stdin {
        origin: Origin {
            src: "stdin".to_owned(),
            ..origin
        },
        line_bytes_max,
    };
    Some((vec!["stdin".to_owned()], kind))
}

/// What a program prints. `mode: cat` runs it once.
pub(super) fn command(
    table: &mut Table<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    let command: Vec<String> = table
        .texts("command")
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    if command.is_empty() {
        table.refuse_key("command", "missing: a list, the program first");
    }
    let restart = table.text("restart");
    let restart = match (restart.as_deref(), mode) {
        (None, "cat") | (Some("never"), _) => Restart::Never,
        (None | Some("always"), _) => Restart::Always,
        (Some("on-failure"), _) => Restart::OnFailure,
        (Some(other), _) => {
            let message = format!("{other:?} is none of always, on-failure and never");
            table.refuse_key("restart", &message);
            Restart::Always
        }
    };
    if !matches!(mode, "tail" | "cat") {
        table.refuse_key("mode", &format!("{mode:?} is neither tail nor cat"));
    }
    let line_bytes_max = line_bytes_max(table);
    let mut identity = vec!["command".to_owned()];
    identity.extend(command.iter().cloned());
    let origin = Origin {
        src: command.join(" "),
        ..origin
    };
    let config = CommandConfig {
        line_bytes_max,
        restart,
        ..CommandConfig::new("", command, origin)
    };
    Some((identity, AcquisitionKind::Command(config)))
}
