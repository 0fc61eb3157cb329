//! The 1000 classes of ImageNet-1k: index, WordNet id and name.
//!
//! A leaf: the model stage names its classes from here, and the dataset stage turns folder names (`n01440764`)
//! into targets. It holds this one list and refuses to know any other; class-map files belong to the model.

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

/// All 1000 classes, so that `imagenet_1k()[i].index == i`.
pub fn imagenet_1k() -> &'static [ImageNetClass] {
    &CLASSES
}

/// The index of a WordNet id such as `n01440764`, or `None` where ImageNet-1k lacks it.
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
    fn a_wnid_finds_its_index() {
        assert_eq!(wnid_index("n01440764"), Some(0));
        assert_eq!(wnid_index("n15075141"), Some(999));
        for wnid in ["", "n00000000", "n99999999", "tench", "N01440764"] {
            assert_eq!(wnid_index(wnid), None, "{wnid}");
        }
    }
}
