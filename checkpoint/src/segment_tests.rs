//! Segments, whole and damaged at any place.

use super::*;

fn changes(group: u16) -> PieceKey {
    PieceKey::Changes {
        stage: 0,
        group,
        as_of_ns: -5,
    }
}

fn segment() -> (Vec<u8>, Vec<(PieceKey, Place)>) {
    let mut draft = Draft::new();
    draft.add(PieceKey::group(0, 7), b"seven");
    draft.add(PieceKey::blob("file:a.log"), b"stash");
    draft.add(PieceKey::group(1, 1_023), &[0; 300]);
    draft.add(changes(7), b"of seven");
    draft.finish()
}

#[test]
fn pieces_come_back_whole_and_one_by_one() {
    let (bytes, places) = segment();
    let pieces = decode_segment(&bytes).unwrap();
    let found: Vec<(PieceKey, Place)> = pieces
        .iter()
        .map(|(piece, place)| (piece.key.clone(), *place))
        .collect();
    assert_eq!(found, places);
    assert_eq!(pieces[1].0.bytes, b"stash");
    for ((key, place), (piece, _)) in places.iter().zip(&pieces) {
        let from = usize::try_from(place.offset).unwrap();
        let to = from + usize::try_from(place.length).unwrap();
        assert_eq!(
            decode_piece(&bytes[from..to], key, *place).as_ref(),
            Ok(piece)
        );
        let other = PieceKey::group(9, 9);
        assert!(decode_piece(&bytes[from..to], &other, *place).is_err());
    }
    let (empty, _) = Draft::new().finish();
    assert_eq!(decode_segment(&empty), Ok(Vec::new()));
}

#[test]
fn no_cut_and_no_changed_bit_is_taken_for_a_segment() {
    let (bytes, _) = segment();
    for end in 0..bytes.len() {
        assert!(decode_segment(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(decode_segment(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(decode_segment(&longer).is_err());
    assert_eq!(decode_segment(b"ovspseg2...."), Err(SegmentError::Version));
    assert_eq!(decode_segment(b"%PDF"), Err(SegmentError::NotASegment));
}

#[test]
fn sound_records_that_say_what_cannot_be_are_refused() {
    for key in [PieceKey::group(0, 1_024), changes(1_024)] {
        let mut draft = Draft::new();
        draft.add(key, b"x");
        let (bytes, _) = draft.finish();
        let error = decode_segment(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a group or a name out of range at byte 8"
        );
    }
    let mut draft = Draft::new();
    draft.add(PieceKey::group(0, 1), b"x");
    draft.add(PieceKey::group(0, 1), b"y");
    let (bytes, _) = draft.finish();
    let error = decode_segment(&bytes).unwrap_err().to_string();
    assert!(error.starts_with("a second piece"), "{error}");
}
