//! What went through, and what went wrong, as plain numbers.

/// Counters of one [`crate::ParserState`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were cut because they grew past their limit.
    pub truncated: u64,
    /// Dates that no layout fits: they became the present moment.
    pub dates_unknown: u64,
    /// Filters that raised an error; their node was false.
    pub filter_errors: u64,
    /// Filters whose result was no boolean; their node was false.
    pub filters_not_bool: u64,
    /// Whitelist expressions that raised an error; the rest of the list was not tried.
    pub whitelist_errors: u64,
    /// Whitelist expressions whose result was no boolean.
    pub whitelists_not_bool: u64,
    /// Grok subjects that raised an error; the grok failed.
    pub subject_errors: u64,
    /// Grok subjects that were no text; the pattern was matched against the empty text.
    pub subjects_not_text: u64,
    /// Statics whose expression raised an error; they were skipped.
    pub static_errors: u64,
    /// Statics whose target leads nowhere.
    pub targets_nowhere: u64,
    /// Events lost to a static of an impossible type.
    pub static_types: u64,
    /// Enrichment methods that failed.
    pub method_errors: u64,
    /// Name lookups that were not answered yet.
    pub lookups_pending: u64,
    /// Stash entries whose key or value raised an error or was no string.
    pub stash_skipped: u64,
}

/// Counters of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Events that passed the filter.
    pub hits: u64,
    /// Of these, successes.
    pub ok: u64,
    /// Of these, failures.
    pub ko: u64,
}
