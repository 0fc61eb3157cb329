//! Tests of the order in which windows are requested, without any request.

use super::*;

type Parts = Order<(), (u32, u64)>;

fn even(until: u64) -> Cuts {
    Cuts::Even { from: 0, until, window: 10 }
}

/// The windows that are asked for now, as (part, index).
fn asked(windows: &mut Parts) -> Vec<(u32, u64)> {
    let mut asked = Vec::new();
    windows.ask(usize::MAX, |(), window, _| {
        asked.push((window.part.0, window.index));
        (window.part.0, window.index)
    });
    asked
}

fn opened(windows: &mut Parts, part: u32, until: u64) -> u64 {
    let (number, dropped) = windows.open(PartId(part), ());
    assert!(dropped.is_empty());
    windows.cut(PartId(part), number, even(until), true);
    number
}

fn id(part: u32, number: u64, index: u64) -> WindowId {
    WindowId { part: PartId(part), number, index }
}

#[test]
fn windows_are_asked_for_in_the_order_of_parts_however_they_were_opened() {
    let mut windows = Parts::new(50);
    opened(&mut windows, 2, 100);
    let first = opened(&mut windows, 1, 25);
    assert_eq!(asked(&mut windows), [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]);
    assert_eq!(windows.take(&id(1, first, 0)), Some((1, 0)));
    assert_eq!(asked(&mut windows), [(2, 2)]);
}

#[test]
fn a_small_window_of_a_later_part_does_not_take_the_room_that_an_earlier_one_waits_for() {
    let mut windows = Parts::new(14);
    let first = opened(&mut windows, 1, 100);
    let second = opened(&mut windows, 2, 3);
    assert_eq!(asked(&mut windows), [(1, 0)]);
    windows.close(PartId(1), first);
    assert_eq!(asked(&mut windows), [(2, 0)]);
    assert_eq!(windows.close(PartId(2), second), [(2, 0)]);
    assert_eq!(windows.free, 14);
}

#[test]
fn a_window_that_failed_is_left_to_its_turn_and_no_other_of_its_part_is_asked_for_until_one_comes() {
    let mut windows = Parts::new(30);
    let first = opened(&mut windows, 1, 100);
    assert_eq!(asked(&mut windows).len(), 3);
    assert_eq!(windows.failed(&id(1, first, 1)), Some((1, 1)));
    assert_eq!(asked(&mut windows), []);
    assert!(windows.take(&id(1, first, 0)).is_some());
    assert_eq!(windows.take(&id(1, first, 1)), None);
    let second = opened(&mut windows, 2, 100);
    // half of the room is left to the part that failed
    assert_eq!(asked(&mut windows), []);
    windows.came(PartId(1), first);
    assert_eq!(asked(&mut windows), [(1, 3), (1, 4)]);
    windows.close(PartId(1), first);
    windows.close(PartId(2), second);
    assert_eq!(windows.free, 30);
}

#[test]
fn nothing_is_asked_for_after_a_part_that_is_being_opened_until_it_is_known_or_left() {
    let mut windows = Parts::new(30);
    let (first, _) = windows.open(PartId(1), ());
    opened(&mut windows, 2, 100);
    assert_eq!(asked(&mut windows), []);
    windows.cut(PartId(1), first, even(10), true);
    assert_eq!(asked(&mut windows), [(1, 0), (2, 0), (2, 1)]);
    let (third, _) = windows.open(PartId(0), ());
    windows.leave(PartId(0), third);
    windows.take(&id(1, first, 0));
    assert_eq!(asked(&mut windows), [(2, 2)]);
}

#[test]
fn parts_of_which_the_first_window_alone_is_known_leave_half_of_the_room_to_the_first_of_them() {
    let mut windows = Parts::new(80);
    let first = windows.open(PartId(0), ()).0;
    windows.cut(PartId(0), first, even(10), false);
    for part in 1..9 {
        let number = windows.open(PartId(part), ()).0;
        windows.cut(PartId(part), number, even(10), false);
    }
    assert_eq!(asked(&mut windows), [(0, 0), (1, 0), (2, 0), (3, 0)]);
    windows.cut(PartId(0), first, even(50), true);
    assert_eq!(asked(&mut windows), [(0, 1), (0, 2), (0, 3), (0, 4)]);
}

#[test]
fn a_window_that_its_turn_comes_to_first_is_not_asked_for_a_second_time() {
    let mut windows = Parts::new(30);
    let (number, _) = windows.open(PartId(1), ());
    assert_eq!(windows.take(&id(1, number, 0)), None);
    windows.cut(PartId(1), number, even(30), true);
    assert_eq!(asked(&mut windows), [(1, 1), (1, 2)]);
}

#[test]
fn what_is_opened_again_has_nothing_to_do_with_the_earlier_opening() {
    let mut windows = Parts::new(20);
    let earlier = opened(&mut windows, 1, 100);
    asked(&mut windows);
    let (number, dropped) = windows.open(PartId(1), ());
    assert_eq!(dropped.len(), 2);
    assert!(windows.close(PartId(1), earlier).is_empty());
    windows.cut(PartId(1), earlier, even(10), true);
    assert!(!windows.is_cut(PartId(1), number));
    assert_eq!(windows.free, 20);
}

/// A part that reads its windows in turn always gets on, whatever is asked for, fails, or is closed beside it, and no
/// more bytes are asked for than there is room for.
#[test]
fn every_part_gets_to_its_end_in_turn_whatever_happens_to_the_windows() {
    for seed in 1..300_u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let room = roll(80);
        let mut windows = Parts::new(room);
        let numbers: Vec<u64> = (0..4).map(|part| windows.open(PartId(part), ()).0).collect();
        for (part, number) in (0..4).zip(numbers) {
            let length = 10 * roll(9) + 1;
            for index in 0..length.div_ceil(10) {
                for _ in 0..roll(5) {
                    let other = roll(4) as u32;
                    let window = id(other, windows.number(PartId(other)).unwrap_or(0), roll(9));
                    match roll(5) {
                        0 => windows.cut(PartId(other), window.number, even(length), roll(2) == 0),
                        4 => windows.leave(PartId(other), window.number),
                        1 => drop(windows.failed(&window)),
                        2 => windows.came(PartId(other), window.number),
                        _ => drop(asked(&mut windows)),
                    }
                }
                // either it was asked for, or the part asks now: there is no third way, and no wait
                let taken = windows.take(&id(part, number, index));
                assert!(taken.is_none_or(|taken| taken == (part, index)));
            }
            windows.close(PartId(part), number);
            let held: u64 =
                windows.parts.values().flat_map(|entry| entry.asked.values()).map(|asked| asked.bytes).sum();
            assert_eq!(windows.free + held, room);
        }
        assert_eq!(windows.free, room);
    }
}
