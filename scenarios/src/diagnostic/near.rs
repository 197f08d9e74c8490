//! The known word nearest to one that was typed.

/// Longest word that is compared; what is longer is no typing error of a key.
const WORD_MAX: usize = 64;

/// The candidate at the smallest edit distance, if that is small enough to be a slip: at most two
/// edits and fewer than half of the characters. Ties go to the candidate that comes first.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    if word.len() > WORD_MAX {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().collect();
        if other.len() > WORD_MAX || other.len().abs_diff(word.len()) > 2 {
            continue;
        }
        let distance = distance(&word, &other);
        let close = distance <= 2 && distance * 2 < word.len().max(other.len());
        if close && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits from `a` to `b`: insert, delete, replace, swap two neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(b.len() + 1);
        next.push(i + 1);
        for (j, to) in b.iter().enumerate() {
            let replace = row[j] + usize::from(from != to);
            let mut least = replace.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *to && b[j - 1] == *from {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}
