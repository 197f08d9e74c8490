//! Row groups that lie outside the window, told by the statistics of the time column.

use arrow_schema::Fields;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::group::Group;
use crate::ledger::Counts;
use crate::open::Options;
use crate::rows::choose::Choice;
use crate::rows::time::unit_of;
use crate::window::{Place, TimeUnit};

/// The row groups to read; the others are counted.
pub(super) fn groups(
    metadata: &ParquetMetaData,
    fields: &Fields,
    choice: &Choice,
    options: &Options,
) -> Vec<Group> {
    let leaf = choice
        .time_name()
        .and_then(|name| leaf(metadata, fields, name, options.unit));
    let mut groups = Vec::new();
    let mut counts = Counts::default();
    let mut first_row = 0u64;
    for (index, described) in metadata.row_groups().iter().enumerate() {
        let n_rows = u64::try_from(described.num_rows()).unwrap_or(0);
        let place = if options.window.is_open() {
            Place::Inside
        } else {
            leaf.map_or(Place::Across, |leaf| place(described, leaf, options))
        };
        if place == Place::Outside {
            counts.row_groups_pruned += 1;
            counts.rows_pruned += n_rows;
        } else {
            groups.push(Group {
                index,
                first_row,
                n_rows,
                is_inside: place == Place::Inside,
            });
        }
        first_row = first_row.saturating_add(n_rows);
    }
    options.ledger.count(&counts);
    groups
}

/// The stored column of the time, and its unit, if its statistics order as times do.
fn leaf(
    metadata: &ParquetMetaData,
    fields: &Fields,
    name: &str,
    unit: TimeUnit,
) -> Option<(usize, TimeUnit)> {
    let root = fields.iter().position(|field| field.name() == name)?;
    let unit = unit_of(fields[root].data_type(), unit)?;
    let schema = metadata.file_metadata().schema_descr();
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
    Some((leaf, unit))
}

/// Where the times of a row group lie. Without statistics, anywhere; with rows that have no time, not
/// all inside.
fn place(group: &RowGroupMetaData, (leaf, unit): (usize, TimeUnit), options: &Options) -> Place {
    let Some(statistics) = group.column(leaf).statistics() else {
        return Place::Across;
    };
    let range = match statistics {
        Statistics::Int64(values) => values.min_opt().copied().zip(values.max_opt().copied()),
        Statistics::Int32(values) => values
            .min_opt()
            .zip(values.max_opt())
            .map(|(min, max)| (i64::from(*min), i64::from(*max))),
        _ => None,
    };
    let Some((min, max)) = range.filter(|(min, max)| min <= max) else {
        return Place::Across;
    };
    // Numbers of two units, told by their size, are not in the order of their times.
    if unit.of(min) != unit.of(max) {
        return Place::Across;
    }
    match options.window.place(unit.to_ns(min), unit.to_ns(max)) {
        Place::Inside if statistics.null_count_opt() != Some(0) => Place::Across,
        place => place,
    }
}
