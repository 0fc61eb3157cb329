//! Who gets bytes, and when.

use futures::FutureExt;

use super::admission::{Admission, Place};

fn admit<const N: usize>(admission: &Admission) -> [Place; N] {
    std::array::from_fn(|_| admission.admit().now_or_never().unwrap())
}

/// True if the bytes were there at once.
fn reserve(place: &mut Place, bytes: u64) -> bool {
    place.reserve(bytes).now_or_never().is_some()
}

#[test]
fn no_more_images_are_on_their_way_than_are_allowed() {
    let admission = Admission::new(2, 100, 10);
    let [first, _second] = admit(&admission);
    assert!(admission.admit().now_or_never().is_none());
    admission.allow(3);
    let [_third] = admit(&admission);
    admission.allow(1);
    drop(first);
    assert_eq!(admission.on_their_way(), 2);
    assert!(admission.admit().now_or_never().is_none());
}

#[test]
fn once_all_places_are_taken_an_eighth_of_them_is_admitted_together() {
    let admission = Admission::new(16, 100, 10);
    let [first, second, _others @ ..] = admit::<16>(&admission);
    assert!(admission.admit().now_or_never().is_none());
    drop(first);
    assert!(admission.admit().now_or_never().is_none());
    drop(second);
    let [_seventeenth, _eighteenth] = admit(&admission);
    assert!(admission.admit().now_or_never().is_none());
}

#[test]
fn bytes_of_the_largest_image_are_for_the_earliest_that_has_not_come() {
    let admission = Admission::new(9, 30, 10);
    let [mut first, mut second, mut third, mut fourth, mut fifth] = admit(&admission);
    assert!(reserve(&mut second, 5) && reserve(&mut third, 10) && reserve(&mut fourth, 5));
    assert!(!reserve(&mut fifth, 1));
    fifth.release();
    assert!(reserve(&mut first, 10));
    assert_eq!(admission.held(), 30);
    // the second one is the earliest now, and what is set aside is not free yet
    first.come();
    second.release();
    assert!(!reserve(&mut second, 10));
    drop(first);
    assert!(reserve(&mut second, 10));
    assert_eq!(admission.held(), 25);
}

#[test]
fn bytes_go_to_those_who_wait_in_the_order_of_their_images() {
    let admission = Admission::new(9, 21, 10);
    let [mut first, mut second, mut third] = admit(&admission);
    assert!(reserve(&mut first, 10));
    let (mut early, mut late) = (Box::pin(second.reserve(10)), Box::pin(third.reserve(1)));
    assert!(early.as_mut().now_or_never().is_none());
    // there is room for one byte, and an earlier image waits for more
    assert!(late.as_mut().now_or_never().is_none());
    drop(first);
    assert!(early.now_or_never().is_some() && late.now_or_never().is_some());
    assert_eq!(admission.held(), 11);
}

#[test]
fn an_image_fits_if_there_is_room_at_once_and_nobody_waits_before_it() {
    let admission = Admission::new(9, 30, 10);
    let [mut first, mut second] = admit(&admission);
    assert!(reserve(&mut first, 2) && reserve(&mut second, 2));
    assert!(second.fit(10) && second.fit(5));
    assert_eq!(admission.held(), 7);
    let [mut third] = admit(&admission);
    assert!(reserve(&mut third, 10));
    // but of those set aside it gets none
    assert!(!second.fit(10));
    assert!(first.fit(10));
    assert_eq!(admission.held(), 25);
}

#[test]
fn a_larger_image_than_the_largest_waits_for_no_more_than_that() {
    let admission = Admission::new(9, 30, 10);
    let [mut first, mut second] = admit(&admission);
    assert!(reserve(&mut first, u64::MAX) && reserve(&mut second, u64::MAX));
    assert_eq!(admission.held(), 20);
}

#[test]
fn a_budget_of_one_image_serves_small_ones_together_and_is_exceeded_by_one_large_one_alone() {
    let admission = Admission::new(9, 10, 10);
    let [mut first, mut second, mut third] = admit(&admission);
    assert!(reserve(&mut second, 3) && reserve(&mut third, 2));
    assert!(reserve(&mut first, 10));
    assert_eq!(admission.held(), 15);
    first.come();
    second.release();
    assert!(!reserve(&mut second, 10));
    drop(first);
    assert_eq!(admission.held(), 12);
    drop((second, third));
    assert_eq!((admission.on_their_way(), admission.held()), (0, 0));
}
