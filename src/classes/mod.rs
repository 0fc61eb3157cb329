//! The 1000 classes of ImageNet-1k: index, WordNet id and name.
//!
//! With them the 200 classes each of ImageNet-A and ImageNet-R, whose images are scored among those alone.
//!
//! A leaf: the model stage names its classes from here, and the dataset stage turns folder names (`n01440764`)
//! into targets. It holds these lists and refuses to know any other; class-map files belong to the model.

use std::sync::LazyLock;

/// One class of ImageNet-1k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageNetClass {
    /// Position among the network's outputs, 0 to 999.
    pub index: u32,
    /// WordNet id: `n` and eight digits, as the folders of the dataset are called.
    pub wnid: &'static str,
    /// The synset's words, separated by `, `.
    pub name: &'static str,
}

static TABLE: &str = include_str!("imagenet_1k.tsv");

/// In the order of the file, which is the order of `wnid` and of `index`: sorted, so that it can be searched.
static CLASSES: LazyLock<Vec<ImageNetClass>> = LazyLock::new(|| {
    TABLE
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let index = fields.next()?.parse().ok()?;
            Some(ImageNetClass { index, wnid: fields.next()?, name: fields.next()? })
        })
        .collect()
});

static OF_A: LazyLock<Vec<i32>> = LazyLock::new(|| indices(include_str!("imagenet_a.txt")));
static OF_R: LazyLock<Vec<i32>> = LazyLock::new(|| indices(include_str!("imagenet_r.txt")));

fn indices(lines: &str) -> Vec<i32> {
    lines.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// The classes of ImageNet-A: indices into ImageNet-1k, ascending.
pub fn imagenet_a() -> &'static [i32] {
    &OF_A
}

/// The classes of ImageNet-R: indices into ImageNet-1k, ascending.
pub fn imagenet_r() -> &'static [i32] {
    &OF_R
}

/// All 1000 classes, so that `imagenet_1k()[i].index == i`.
pub fn imagenet_1k() -> &'static [ImageNetClass] {
    &CLASSES
}

/// Returns the index of a WordNet id such as `n01440764`, or `None` if it is not in ImageNet-1k.
pub fn wnid_index(wnid: &str) -> Option<u32> {
    let position = CLASSES.binary_search_by(|class| class.wnid.cmp(wnid)).ok()?;
    Some(CLASSES[position].index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_sorted() {
        let classes = imagenet_1k();
        assert_eq!(classes.len(), 1000);
        for (position, class) in classes.iter().enumerate() {
            assert_eq!(class.index as usize, position);
            assert!(class.wnid.len() == 9 && class.wnid.starts_with('n'), "{}", class.wnid);
            assert!(!class.name.is_empty());
        }
        assert!(classes.is_sorted_by(|a, b| a.wnid < b.wnid));
    }

    #[test]
    fn the_lists_of_a_and_r_are_200_ascending_indices_each() {
        for list in [imagenet_a(), imagenet_r()] {
            assert_eq!(list.len(), 200);
            assert!(list.is_sorted_by(|a, b| a < b));
            assert!(list.iter().all(|index| (0..1000).contains(index)));
        }
        assert_ne!(imagenet_a(), imagenet_r());
    }

    #[test]
    fn a_wnid_finds_its_index() {
        assert_eq!(wnid_index("n01440764"), Some(0));
        assert_eq!(wnid_index("n15075141"), Some(999));
        for wnid in ["", "n00000000", "n99999999", "tench", "N01440764"] {
            assert_eq!(wnid_index(wnid), None, "{wnid}");
        }
    }
}
