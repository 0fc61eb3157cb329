//! Members of a shard grouped into samples: an image and the texts that share its name up to the first dot.
//!
//! Members side by side are one sample. From the first image that is without a text that the job asks for, a first
//! reading only collects the texts that lie apart ([`Apart`]), and a second one from there hands the images on.

use std::sync::Arc;

use crate::dataset::{ImageNames, is_hidden};
use crate::sample::{ErrorKind, RowError};

use super::apart::{Apart, Joined};
use super::error::TarError;
use super::group::{Group, Pending, Role, full_name, role, split};
use super::names::Names;
use super::rules::{ShardLimits, ShardRules};
use super::tar::{Event, Skipped, TarReader};
use super::texts::{Asked, Missing, Text, Texts};

/// Images of one sample that are held until the sample is whole.
const MOST_IMAGES: usize = 256;

/// One image of a shard with the texts of its sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardImage {
    /// Its member's name, with `#2` and so on where the name came before.
    pub name: String,
    /// Its length, as its header claims.
    pub size: u64,
    /// Its bytes, or why there are none.
    pub bytes: Result<Vec<u8>, RowError>,
    /// The texts of its sample.
    pub texts: Arc<Texts>,
}

/// Which reading of the shard it is.
pub(super) enum Phase {
    /// Images are handed on with the texts beside them.
    Flow,
    /// The first image that waits was found: the rest is only looked through. The second reading begins here.
    Collect { from: u64, skipped: Skipped },
    /// The second reading.
    Join,
}

/// Groups a shard's members, window by window.
pub struct Samples {
    pub(super) tar: TarReader,
    pub(super) limits: ShardLimits,
    pub(super) asked: Asked,
    pub(super) rules: ShardRules,
    pub(super) image_names: ImageNames,
    pub(super) phase: Phase,
    pub(super) begins_at: u64,
    pub(super) group: Group,
    pub(super) role: Role,
    /// The bytes of a late text.
    pub(super) late: Result<Vec<u8>, String>,
    pub(super) names: Names,
    pub(super) apart: Apart,
    /// What was left out before the reader began, and files since.
    pub(super) skipped: Skipped,
    /// Images that were seen and not handed on.
    pub(super) collected: u32,
}

impl Samples {
    /// At the beginning of a shard.
    pub fn new(limits: ShardLimits, asked: Asked, rules: ShardRules) -> Self {
        let (tar, asked) = match rules {
            ShardRules::Earlier => (TarReader::default().stopping(), Asked::default()),
            ShardRules::Current | ShardRules::SameAsEarlier => (TarReader::default(), asked),
        };
        Samples {
            tar,
            limits,
            asked,
            rules,
            image_names: ImageNames::default(),
            phase: Phase::Flow,
            begins_at: 0,
            group: Group::default(),
            role: Role::Nothing,
            late: Ok(Vec::new()),
            names: Names::default(),
            apart: Apart::default(),
            skipped: Skipped::default(),
            collected: 0,
        }
    }

    /// Takes members for images by other rules.
    pub fn with_image_names(self, image_names: ImageNames) -> Self {
        Samples { image_names, ..self }
    }

    /// Where its reading begins, in the bytes of the archive.
    pub fn begins_at(&self) -> u64 {
        self.begins_at
    }

    /// Images that were seen and wait for a second reading.
    pub fn collected(&self) -> u32 {
        self.collected
    }

    /// True after an end mark that nothing follows so far.
    pub fn has_ended(&self) -> bool {
        self.tar.has_ended()
    }

    /// Returns the images of the next sample that is whole, and consumes its bytes from the window's front. `None`:
    /// the window is used up.
    ///
    /// # Errors
    /// If the bytes are not an archive's; the current sample is lost then.
    pub fn next(&mut self, window: &mut &[u8]) -> Result<Option<Vec<ShardImage>>, TarError> {
        while let Some(event) = self.tar.next(window)? {
            match event {
                Event::File { name, size } => {
                    let before = self.begin(name, size)?;
                    if !before.is_empty() {
                        return Ok(Some(before));
                    }
                }
                Event::Bytes(bytes) => self.bytes(bytes),
                Event::End => self.end()?,
            }
        }
        Ok(None)
    }

    /// What was left out so far.
    pub(super) fn skipped(&self) -> Skipped {
        Skipped {
            special: self.skipped.special + self.tar.special(),
            files: self.skipped.files,
            trailing: self.skipped.trailing + self.tar.trailing(),
        }
    }

    /// A file begins; gives the images of the sample before it, if it belongs to another.
    fn begin(&mut self, name: String, size: u64) -> Result<Vec<ShardImage>, TarError> {
        let split = split(&name);
        let mut role = split.map_or(Role::Nothing, |(_, suffix)| role(suffix, self.image_names));
        if role != Role::Nothing && self.rules != ShardRules::Earlier {
            if self.rules == ShardRules::SameAsEarlier && self.tar.goes_on() {
                return Err(other_rules("goes on after an end mark"));
            }
            if is_hidden(&name) {
                role = Role::Nothing;
                if self.rules == ShardRules::SameAsEarlier {
                    return Err(other_rules(&format!("has the hidden member `{name}`")));
                }
            }
        }
        let Some((key, suffix)) = split.filter(|_| role != Role::Nothing) else {
            self.skipped.files += 1;
            self.role = Role::Nothing;
            return Ok(Vec::new());
        };
        let suffix = suffix.to_ascii_lowercase();
        let another = key != self.group.key || self.holds(role, &suffix);
        let before = if another { self.close()? } else { Vec::new() };
        if another {
            self.group.key = key.to_owned();
            self.group.start = self.tar.member_start();
            self.group.skipped_before = self.skipped();
        }
        self.role = role;
        match role {
            Role::Image => return Ok([before, self.begin_image(name, suffix, size)].concat()),
            Role::Text(text) => self.role = self.begin_text(text, &name, size)?,
            Role::LateText(_) | Role::Nothing => {}
        }
        Ok(before)
    }

    /// What becomes of a text, and where its bytes go.
    fn begin_text(&mut self, text: Text, name: &str, size: u64) -> Result<Role, TarError> {
        let most = self.limits.text_bytes;
        let begun = match size > most {
            true => Err(format!("`{name}` has {size} bytes, more than {most}")),
            false => Ok(Vec::new()),
        };
        if !self.group.begun {
            *self.group.texts.place(text) = Some(begun);
            return Ok(Role::Text(text));
        }
        let why = format!(
            "`{name}` comes after too many images of its sample ({MOST_IMAGES}, or `limits.max_encoded_bytes`) to be \
             held until it came"
        );
        match self.rules {
            ShardRules::Earlier => Err(TarError::Broken { offset: self.tar.offset(), why }),
            ShardRules::SameAsEarlier => Err(other_rules(&format!("is read although {why}"))),
            ShardRules::Current if !self.group.missing[text as usize] => {
                self.skipped.files += 1;
                Ok(Role::Nothing)
            }
            ShardRules::Current => {
                self.late = begun;
                Ok(Role::LateText(text))
            }
        }
    }

    fn begin_image(&mut self, name: String, suffix: String, size: u64) -> Vec<ShardImage> {
        let most = self.limits.image_bytes;
        let mut before = Vec::new();
        let bytes = if size > most {
            let why = format!("{size} bytes are more than `limits.max_encoded_bytes` = {most}");
            Err(RowError::new(ErrorKind::Limit, why))
        } else {
            if self.group.held + size > most {
                before = self.hand_on();
            }
            self.group.held += size;
            Ok(Vec::new())
        };
        if self.group.images.len() == MOST_IMAGES {
            before.extend(self.hand_on());
        }
        self.group.images.push(Pending { name, suffix, size, bytes });
        before
    }

    /// Does the sample have such a member already? Then the name begins another one.
    fn holds(&mut self, role: Role, suffix: &str) -> bool {
        match role {
            Role::Text(text) => self.group.texts.place(text).is_some(),
            _ => self.group.images.iter().any(|image| image.suffix == suffix),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let room = match self.role {
            Role::Image if matches!(self.phase, Phase::Collect { .. }) => None,
            Role::Image => self.group.images.last_mut().and_then(|image| image.bytes.as_mut().ok()),
            Role::Text(text) => self.group.texts.place(text).as_mut().and_then(|text| text.as_mut().ok()),
            Role::LateText(_) => self.late.as_mut().ok(),
            Role::Nothing => None,
        };
        if let Some(room) = room {
            room.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) -> Result<(), TarError> {
        if let Role::LateText(text) = self.role {
            let late = std::mem::replace(&mut self.late, Ok(Vec::new()));
            self.hold(text, &late)?;
        }
        self.role = Role::Nothing;
        Ok(())
    }

    /// Holds a text of the group for images elsewhere. In the second reading it is held already.
    fn hold(&mut self, text: Text, bytes: &Result<Vec<u8>, String>) -> Result<(), TarError> {
        if matches!(self.phase, Phase::Join) {
            return Ok(());
        }
        let held = self.apart.hold(&self.group.key, text, bytes);
        held.map_err(|error| match self.rules {
            ShardRules::SameAsEarlier => other_rules(&error.to_string()),
            _ => error,
        })
    }

    /// The sample is whole.
    pub(super) fn close(&mut self) -> Result<Vec<ShardImage>, TarError> {
        if self.group.images.is_empty() && !self.group.begun {
            let mut texts = std::mem::take(&mut self.group.texts);
            for text in Text::ALL {
                match texts.place(text) {
                    Some(bytes) if self.asked.looks_at(text) => self.hold(text, bytes)?,
                    Some(_) => self.skipped.files += 1,
                    None => {}
                }
            }
        }
        let images = self.hand_on();
        self.group = Group::default();
        Ok(images)
    }

    pub(super) fn missing(&self) -> Missing {
        if self.group.begun { self.group.missing } else { self.asked.missing(&self.group.texts) }
    }

    /// Notes that the group's images are without some texts.
    pub(super) fn wait(&mut self, missing: Missing) {
        for image in &self.group.images {
            self.apart.wait(&self.group.key, &full_name(&self.group.key, &image.suffix), missing);
        }
    }

    /// The group's images so far; its texts stay.
    fn hand_on(&mut self) -> Vec<ShardImage> {
        if self.group.images.is_empty() {
            return Vec::new();
        }
        let missing = self.missing();
        if matches!(self.phase, Phase::Flow) && missing.contains(&true) {
            let (from, skipped) = (self.group.start, self.group.skipped_before);
            self.phase = Phase::Collect { from, skipped };
        }
        (self.group.begun, self.group.missing, self.group.held) = (true, missing, 0);
        if matches!(self.phase, Phase::Collect { .. }) {
            self.wait(missing);
            let count = u32::try_from(self.group.images.len()).unwrap_or(u32::MAX);
            self.collected = self.collected.saturating_add(count);
            self.group.images.clear();
            return Vec::new();
        }
        let texts = Arc::new(self.group.texts.clone());
        let pending = std::mem::take(&mut self.group.images);
        let images = pending.into_iter().map(|mut image| {
            let texts = match missing.contains(&true) {
                true => self.join(&mut image, missing),
                false => texts.clone(),
            };
            let name = self.names.unique(image.name);
            ShardImage { name, size: image.size, bytes: image.bytes, texts }
        });
        images.collect()
    }

    /// The texts of an image: those beside it, and those elsewhere that it is without.
    fn join(&mut self, image: &mut Pending, missing: Missing) -> Arc<Texts> {
        let mut texts = self.group.texts.clone();
        let numbers = self.apart.number(&full_name(&self.group.key, &image.suffix), missing);
        for text in Text::ALL {
            // a class that was found makes the `.json` one that nothing is asked of
            let asks_nothing = text == Text::Json && texts.cls.is_some() && !self.asked.asks_for_json();
            if !missing[text as usize] || asks_nothing {
                continue;
            }
            match self.apart.join(&self.group.key, text, numbers[text as usize]) {
                Joined::None => {}
                Joined::Text(bytes) => *texts.place(text) = Some(bytes),
                // what is wrong with its bytes stays
                Joined::Unequal { .. } if image.bytes.is_err() => {}
                Joined::Unequal { samples, texts } => {
                    let why = format!(
                        "the shard has {texts} of `{}.{}` apart from their image and {samples} samples without one: \
                         which belongs to which is not known; pack each beside its image",
                        self.group.key,
                        text.suffix()
                    );
                    image.bytes = Err(RowError::new(ErrorKind::Corrupt, why));
                }
            }
        }
        Arc::new(texts)
    }
}

pub(super) fn other_rules(why: &str) -> TarError {
    TarError::OtherRules { why: why.to_owned() }
}
