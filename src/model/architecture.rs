//! Which TResNet it is: blocks, depths, widths and classes, with a name for each combination.

use super::error::ModelError;
use super::shorten::shorten;

/// The two residual blocks of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Two 3×3 convolutions; the block's output has `planes` channels.
    Basic,
    /// 1×1, 3×3, 1×1; the block's output has `4 · planes` channels.
    Bottleneck,
}

impl BlockKind {
    /// Channels of a block's output for each of its `planes`.
    pub fn expansion(self) -> usize {
        match self {
            BlockKind::Basic => 1,
            BlockKind::Bottleneck => 4,
        }
    }
}

/// One of the four stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The kind of all of its blocks.
    pub kind: BlockKind,
    /// How many blocks; the first of stages 2 to 4 halves the map.
    pub depth: usize,
    /// Whether its blocks have squeeze-and-excitation. timm and the authors: in stages 1 to 3.
    pub squeeze_excite: bool,
}

/// The properties by which one TResNet differs from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Channels after the stem; stage `n` (from 0) has `width << n` planes.
    pub width: usize,
    /// In the order of the network.
    pub stages: [Stage; 4],
    /// Outputs of the classifier.
    pub classes: usize,
}

/// Name, second version or not, depth of each stage, width: as in the paper, the authors' code and timm.
const KNOWN: [(&str, bool, [usize; 4], usize); 4] = [
    ("tresnet_m", false, [3, 4, 11, 3], 64),
    ("tresnet_l", false, [4, 5, 18, 3], 76),
    ("tresnet_xl", false, [4, 5, 24, 3], 83),
    ("tresnet_v2_l", true, [3, 4, 23, 3], 64),
];

/// The most that a description may ask for.
const MOST_PLANES: usize = 1024;
/// The most blocks a stage that a description may ask for.
const MOST_BLOCKS: usize = 200;

const USUAL_SE: [bool; 4] = [true, true, true, false];

impl Architecture {
    /// Holds the network against a name that a person gave, with or without timm's tag (`tresnet_m.miil_in1k`).
    ///
    /// # Errors
    ///
    /// [`ModelError::Architecture`] where they differ.
    pub fn check_name(&self, wanted: &str) -> Result<(), ModelError> {
        let found = self.name();
        let base = wanted.split('.').next().unwrap_or_default();
        if wanted == found || base == found {
            return Ok(());
        }
        Err(ModelError::Architecture { wanted: shorten(wanted), found })
    }

    /// The paper's or timm's name where it is one of theirs, else a description such as `tresnet[1,1,1,1]x16`:
    /// depths and width, with what departs from the usual blocks or the usual squeeze-and-excitation.
    pub fn name(&self) -> String {
        let kinds = self.stages.map(|stage| stage.kind);
        let depths = self.stages.map(|stage| stage.depth);
        let se = self.stages.map(|stage| stage.squeeze_excite);
        let family = if kinds == usual_kinds(false) {
            "tresnet".to_owned()
        } else if kinds == usual_kinds(true) {
            "tresnet_v2".to_owned()
        } else {
            let letters: String =
                kinds.iter().map(|kind| if *kind == BlockKind::Basic { 'b' } else { 'n' }).collect();
            format!("tresnet_{letters}")
        };
        if se == USUAL_SE {
            for (name, v2, known_depths, width) in KNOWN {
                if kinds == usual_kinds(v2) && depths == known_depths && self.width == width {
                    return name.to_owned();
                }
            }
        }
        let [a, b, c, d] = depths;
        let mut name = format!("{family}[{a},{b},{c},{d}]x{}", self.width);
        if se != USUAL_SE {
            let numbers: Vec<String> =
                (1..=4).filter(|number| se[number - 1]).map(|number| number.to_string()).collect();
            name.push_str(&format!("+se[{}]", numbers.join(",")));
        }
        name
    }

    /// Names of the four published networks.
    pub fn names() -> [&'static str; 4] {
        KNOWN.map(|known| known.0)
    }

    /// One of the four published networks with `classes` outputs, or `None` for another name.
    pub fn named(name: &str, classes: usize) -> Option<Self> {
        let (_, v2, depths, width) = KNOWN.into_iter().find(|known| known.0 == name)?;
        let kinds = usual_kinds(v2);
        let stages = std::array::from_fn(|index| Stage {
            kind: kinds[index],
            depth: depths[index],
            squeeze_excite: USUAL_SE[index],
        });
        Some(Self { width, stages, classes })
    }

    /// A network by its name or by the description that [`name`](Self::name) gives, such as `tresnet_v2[1,1,2,1]x16`;
    /// `None` for another text.
    pub fn described(text: &str, classes: usize) -> Option<Self> {
        if let Some(known) = Self::named(text, classes) {
            return Some(known);
        }
        let (family, rest) = text.split_once('[')?;
        let (depths, rest) = rest.split_once("]x")?;
        let (width, se) = match rest.split_once("+se[") {
            Some((width, se)) => (width, Some(se.strip_suffix(']')?)),
            None => (rest, None),
        };
        let kinds = match family.strip_prefix("tresnet")? {
            "" => usual_kinds(false),
            "_v2" => usual_kinds(true),
            letters => {
                let kinds: Option<Vec<BlockKind>> = letters
                    .strip_prefix('_')?
                    .chars()
                    .map(|letter| match letter {
                        'b' => Some(BlockKind::Basic),
                        'n' => Some(BlockKind::Bottleneck),
                        _ => None,
                    })
                    .collect();
                kinds?.try_into().ok()?
            }
        };
        let numbers = |text: &str| -> Option<Vec<usize>> {
            text.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().ok()).collect()
        };
        let depths: [usize; 4] = numbers(depths)?.try_into().ok()?;
        let excited = se.map_or(Some(vec![1, 2, 3]), numbers)?;
        let width = width.parse().ok().filter(|width| (1..=MOST_PLANES).contains(width))?;
        let sound = depths.iter().all(|depth| (1..=MOST_BLOCKS).contains(depth))
            && excited.iter().all(|stage| (1..=4).contains(stage));
        let stages = std::array::from_fn(|index| Stage {
            kind: kinds[index],
            depth: depths[index],
            squeeze_excite: excited.contains(&(index + 1)),
        });
        sound.then_some(Self { width, stages, classes })
    }

    /// Planes of stage `index` (0 to 3).
    pub fn planes(&self, index: usize) -> usize {
        self.width.saturating_mul(1 << index)
    }

    /// Channels of the map that stage `index` (0 to 3) gives.
    pub fn channels(&self, index: usize) -> usize {
        self.planes(index).saturating_mul(self.stages[index].kind.expansion())
    }

    /// Length of the embedding.
    pub fn embedding_dim(&self) -> usize {
        self.channels(3)
    }
}

fn usual_kinds(v2: bool) -> [BlockKind; 4] {
    let early = if v2 { BlockKind::Bottleneck } else { BlockKind::Basic };
    [early, early, BlockKind::Bottleneck, BlockKind::Bottleneck]
}
