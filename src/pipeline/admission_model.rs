//! `admission.rs` under `loom`: every image gets its bytes in the end, and none waits for ever.

use crate::sync::modelled as sync;

use self::admission::Admission;
use self::sync::{block_on, join, model, spawn};

#[allow(clippy::duplicate_mod)]
#[path = "admission.rs"]
mod admission;

#[test]
fn a_place_that_comes_free_admits_the_next_image() {
    model(|| {
        let admission = Admission::new(1, 4, 1);
        let first = block_on(admission.admit());
        let thread = spawn(move || drop(first));
        // a wake-up that is lost leaves this thread waiting, which `loom` reports
        drop(block_on(admission.admit()));
        join([thread]);
        assert_eq!((admission.on_their_way(), admission.held()), (0, 0));
    });
}

#[test]
fn more_places_admit_the_next_image() {
    model(|| {
        let admission = Admission::new(1, 4, 1);
        let first = block_on(admission.admit());
        let thread = spawn({
            let admission = admission.clone();
            move || admission.allow(2)
        });
        let second = block_on(admission.admit());
        join([thread]);
        drop((first, second));
        assert_eq!(admission.on_their_way(), 0);
    });
}

#[test]
fn the_earliest_image_gets_its_bytes_while_a_later_one_keeps_those_of_the_others() {
    model(|| {
        // of four bytes, two are set aside
        let admission = Admission::new(3, 4, 2);
        let [mut first, mut second] = [(); 2].map(|()| block_on(admission.admit()));
        block_on(first.reserve(1));
        block_on(second.reserve(1));
        // the second one has come, and waits for the batch of the first one
        second.come();
        let thread = spawn(move || {
            first.release();
            block_on(first.reserve(2));
            first.come();
            drop(first);
        });
        join([thread]);
        drop(second);
        assert_eq!((admission.on_their_way(), admission.held()), (0, 0));
    });
}

#[test]
fn images_that_ask_for_more_than_there_is_get_it_one_after_another() {
    model(|| {
        let admission = Admission::new(3, 3, 3);
        let places = [(); 2].map(|()| block_on(admission.admit()));
        let threads = places.map(|mut place| {
            spawn(move || {
                block_on(place.reserve(1));
                if !place.fit(3) {
                    block_on(place.reserve(3));
                }
                place.come();
            })
        });
        join(threads);
        assert_eq!((admission.on_their_way(), admission.held()), (0, 0));
    });
}

#[test]
fn bytes_that_are_granted_while_their_image_is_given_up_come_back() {
    model(|| {
        let admission = Admission::new(3, 2, 1);
        let [mut first, mut second] = [(); 2].map(|()| block_on(admission.admit()));
        block_on(first.reserve(1));
        let mut waiting = Box::pin(second.reserve(1));
        // asked once, and given up while the first one leaves
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let asked = std::future::Future::poll(waiting.as_mut(), &mut context);
        let thread = spawn(move || drop(first));
        drop(waiting);
        drop(second);
        join([thread]);
        assert!(asked.is_pending());
        assert_eq!((admission.on_their_way(), admission.held()), (0, 0));
    });
}
