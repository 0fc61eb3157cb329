//! Groups of near duplicates around a representative.

use super::super::computing::{Stop, Stopped};

/// Images between two checks whether the work must end.
const STEP: usize = 1 << 16;

/// Two images and their cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    pub a: u32,
    pub b: u32,
    pub cosine: f32,
}

/// An image that is nearly another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    pub image: u32,
    pub representative: u32,
    pub cosine: f32,
    /// The number of the group, from 0.
    pub group: u32,
}

/// Puts images into groups: each image joins at most one. Images are taken by `pixels`, the most first (the earlier image
/// of equals); one that is in no group becomes the representative of those of its neighbours that are in none. So every
/// member is a near duplicate of its representative itself, and none is one through a chain of others.
///
/// Returns the members by image.
///
/// # Errors
/// [`Stopped`] once `stop` asks for it.
pub fn group(edges: &[Edge], pixels: impl Fn(u32) -> u64, stop: &Stop) -> Result<Vec<Member>, Stopped> {
    let mut both: Vec<(u32, u32, f32)> = edges
        .iter()
        .flat_map(|edge| [(edge.a, edge.b, edge.cosine), (edge.b, edge.a, edge.cosine)])
        .collect();
    both.sort_unstable_by_key(|(a, b, _)| (*a, *b));
    stop.check()?;
    let mut images: Vec<u32> = both.iter().map(|(image, ..)| *image).collect();
    images.dedup();
    let at = |image: u32| images.partition_point(|other| *other < image);
    let mut order = images.clone();
    order.sort_by_cached_key(|image| (std::cmp::Reverse(pixels(*image)), *image));
    stop.check()?;
    let mut taken = vec![false; images.len()];
    let mut members = Vec::new();
    let mut groups = 0;
    for (place, representative) in order.into_iter().enumerate() {
        if place % STEP == 0 {
            stop.check()?;
        }
        if taken[at(representative)] {
            continue;
        }
        let first = both.partition_point(|(image, ..)| *image < representative);
        let neighbours = both[first..].iter().take_while(|(image, ..)| *image == representative);
        let before = members.len();
        for &(_, image, cosine) in neighbours {
            if !std::mem::replace(&mut taken[at(image)], true) {
                members.push(Member { image, representative, cosine, group: groups });
            }
        }
        taken[at(representative)] = true;
        groups += u32::from(members.len() > before);
    }
    members.sort_unstable_by_key(|member| member.image);
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(a: u32, b: u32) -> Edge {
        Edge { a, b, cosine: 0.95 }
    }

    fn groups(edges: &[Edge], pixels: fn(u32) -> u64) -> Vec<(u32, u32, u32)> {
        group(edges, pixels, &Stop::default())
            .unwrap()
            .iter()
            .map(|member| (member.image, member.representative, member.group))
            .collect()
    }

    #[test]
    fn a_chain_is_no_group() {
        // 1 – 2 – 3 – 4: the largest image takes its neighbours alone
        let chain = [edge(1, 2), edge(2, 3), edge(3, 4)];
        assert_eq!(groups(&chain, |_| 1), [(2, 1, 0), (4, 3, 1)]);
        assert_eq!(groups(&chain, |image| u64::from(image == 2)), [(1, 2, 0), (3, 2, 0)]);
    }

    #[test]
    fn the_representative_has_the_most_pixels_and_is_no_member() {
        let triangle = [edge(5, 7), edge(5, 9), edge(7, 9)];
        assert_eq!(groups(&triangle, u64::from), [(5, 9, 0), (7, 9, 0)]);
        assert_eq!(groups(&[], u64::from), []);
    }
}
