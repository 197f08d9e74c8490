//! `AverageInterval` and `MedianInterval`: how far apart events are.

use overspill_golike::time::Time;

/// Fewer than two times have no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("need at least two times to calculate an interval")]
pub struct TooFewTimes;

/// The average interval between times, in nanoseconds, rounded toward zero. Order does not matter.
///
/// # Errors
///
/// When there are fewer than two times.
pub fn average_ns(times: &[Time]) -> Result<i64, TooFewTimes> {
    let intervals = intervals_ns(times)?;
    let total = intervals
        .iter()
        .fold(0_i64, |total, interval| total.wrapping_add(*interval));
    i64::try_from(intervals.len()).map_or(Ok(0), |count| Ok(total / count))
}

/// The median interval between times, in nanoseconds; of an even number of intervals the mean of
/// the middle two, rounded toward zero. Order of the times does not matter.
///
/// # Errors
///
/// When there are fewer than two times.
pub fn median_ns(times: &[Time]) -> Result<i64, TooFewTimes> {
    let mut intervals = intervals_ns(times)?;
    intervals.sort_unstable();
    let middle = intervals.len() / 2;
    let upper = intervals.get(middle).copied().unwrap_or(0);
    if intervals.len() % 2 == 1 {
        return Ok(upper);
    }
    let lower = intervals.get(middle - 1).copied().unwrap_or(0);
    Ok(lower.wrapping_add(upper) / 2)
}

fn intervals_ns(times: &[Time]) -> Result<Vec<i64>, TooFewTimes> {
    if times.len() < 2 {
        return Err(TooFewTimes);
    }
    let mut sorted = times.to_vec();
    sorted.sort_by(Time::compare_instant);
    Ok(sorted
        .windows(2)
        .map(|pair| pair[1].sub(&pair[0]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[track_caller]
    fn check(secs: &[i64], average: i64, median: i64) {
        let times: Vec<Time> = secs.iter().copied().map(Time::from_unix).collect();
        assert_eq!(
            (average_ns(&times), median_ns(&times)),
            (Ok(average), Ok(median))
        );
    }

    #[test]
    fn intervals_are_taken_between_neighbours_in_time() {
        check(&[10, 0, 4], 5 * SECOND, 5 * SECOND);
        check(&[0, 1, 2, 13], 13 * SECOND / 3, SECOND);
        check(&[5, 5], 0, 0);
        check(&[0, 1, 5], 5 * SECOND / 2, 5 * SECOND / 2);
        check(&[0, 4_000_000_000_000], i64::MAX, i64::MAX);
    }

    #[test]
    fn one_time_has_no_interval() {
        assert_eq!(average_ns(&[Time::ZERO]), Err(TooFewTimes));
        assert_eq!(median_ns(&[]), Err(TooFewTimes));
    }
}
