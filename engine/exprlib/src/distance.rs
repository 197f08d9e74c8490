//! `Distance`: kilometres between two places.

use overspill_golike::strconv::{FloatError, parse_float};

const EARTH_RADIUS_KM: f64 = 6371.0;

/// A coordinate is no number.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is not a float")]
pub struct DistanceError {
    /// Which coordinate: `lat1`, `long1`, `lat2` or `long2`.
    name: &'static str,
    /// What is wrong with it.
    source: FloatError,
}

/// The great-circle distance between two places, in kilometres. It is 0 if either place is
/// exactly (0, 0), which is what an address without a known place has.
///
/// # Errors
///
/// When a coordinate is no number.
pub fn distance_km(
    latitude1: &[u8],
    longitude1: &[u8],
    latitude2: &[u8],
    longitude2: &[u8],
) -> Result<f64, DistanceError> {
    let number = |name, text| parse_float(text).map_err(|source| DistanceError { name, source });
    let first = (number("lat1", latitude1)?, number("long1", longitude1)?);
    let second = (number("lat2", latitude2)?, number("long2", longitude2)?);
    if first == (0.0, 0.0) || second == (0.0, 0.0) {
        return Ok(0.0);
    }
    let (latitude1, latitude2) = (first.0.to_radians(), second.0.to_radians());
    let half_latitude = (latitude2 - latitude1) / 2.0;
    let half_longitude = (second.1 - first.1).to_radians() / 2.0;
    let chord = half_latitude.sin().powi(2)
        + latitude1.cos() * latitude2.cos() * half_longitude.sin().powi(2);
    Ok(2.0 * chord.sqrt().atan2((1.0 - chord).sqrt()) * EARTH_RADIUS_KM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paris_is_as_far_from_new_york_as_maps_say() {
        let km = distance_km(b"48.8566", b"2.3522", b"40.7128", b"-74.0060");
        let km = km.unwrap();
        assert!((km - 5837.2).abs() < 0.5, "{km}");
    }

    #[test]
    fn a_place_that_is_not_known_is_at_no_distance() {
        assert_eq!(distance_km(b"0", b"0.0", b"40.7", b"-74"), Ok(0.0));
        assert_eq!(distance_km(b"40.7", b"-74", b"-0", b"0"), Ok(0.0));
    }

    #[test]
    fn a_coordinate_that_is_no_number_is_an_error() {
        let err = distance_km(b"1", b"", b"1", b"1").map_err(|err| err.to_string());
        assert_eq!(err, Err("long1 is not a float".to_owned()));
    }
}
