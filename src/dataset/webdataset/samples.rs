//! Members of a shard grouped into samples: an image and the texts beside it that share its name up to the
//! first dot.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::dataset::ImageNames;
use crate::sample::{ErrorKind, RowError};

use super::tar::{Event, Skipped, TarError, TarReader};

/// Images of one sample that are held until the sample is whole.
const MOST_IMAGES: usize = 256;

/// What a shard may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Bytes of the images of one sample; a larger image comes without its bytes.
    pub image_bytes: u64,
    /// Bytes of a `.cls`, `.json` or `.txt`.
    pub text_bytes: u64,
}

impl ShardLimits {
    /// Limits with a room for texts that no label outgrows.
    pub fn new(image_bytes: u64) -> Self {
        ShardLimits { image_bytes, text_bytes: 1 << 20 }
    }
}

/// The texts beside an image, as they are, or why one was not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `.cls`: its class.
    pub cls: Option<Result<Vec<u8>, String>>,
    /// `.json`: columns to carry, or its class.
    pub json: Option<Result<Vec<u8>, String>>,
    /// `.txt`: a caption.
    pub txt: Option<Result<Vec<u8>, String>>,
}

/// One image of a shard with the texts of its sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardImage {
    /// Its member's name, with `#2` and so on where the name came before.
    pub name: String,
    /// Its length, as its header claims.
    pub size: u64,
    /// Its bytes, or why there are none.
    pub bytes: Result<Vec<u8>, RowError>,
    /// The texts beside it.
    pub texts: Arc<Texts>,
}

/// What is left when a shard's bytes have ended.
#[derive(Debug)]
pub struct Found {
    /// The images of the last sample; `truncated` ones where the shard was cut.
    pub images: Vec<ShardImage>,
    /// Members left out.
    pub skipped: Skipped,
    /// Whether the end came where it belongs.
    pub end: Result<(), TarError>,
}

/// The sample that is being collected.
#[derive(Default)]
struct Group {
    key: String,
    images: Vec<Pending>,
    texts: Texts,
    /// Bytes of its images.
    held: u64,
    /// Some of its images are gone already, so that its texts must be here by now.
    begun: bool,
}

struct Pending {
    name: String,
    suffix: String,
    size: u64,
    bytes: Result<Vec<u8>, RowError>,
}

/// What becomes of the file in hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Image,
    Text(Text),
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Cls,
    Json,
    Txt,
}

/// Groups a shard's members, window by window.
pub struct Samples {
    tar: TarReader,
    limits: ShardLimits,
    image_names: ImageNames,
    group: Group,
    role: Role,
    /// How often each name came, by 128 bits of its hash.
    names: HashMap<[u8; 16], u32>,
    files_left_out: u64,
}

impl Samples {
    /// At the beginning of a shard.
    pub fn new(limits: ShardLimits) -> Self {
        Samples {
            tar: TarReader::default(),
            limits,
            image_names: ImageNames::default(),
            group: Group::default(),
            role: Role::Nothing,
            names: HashMap::new(),
            files_left_out: 0,
        }
    }

    /// Takes members for images by other rules.
    pub fn with_image_names(self, image_names: ImageNames) -> Self {
        Samples { image_names, ..self }
    }

    /// The images of the next sample that is whole, taking from the window's front what that needs. `None`: the
    /// window is used up.
    ///
    /// # Errors
    /// Where the bytes are not an archive's; the sample in hand is lost then.
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
                Event::End => self.role = Role::Nothing,
            }
        }
        Ok(None)
    }

    /// True behind the archive's end mark: no further window is needed.
    pub fn has_ended(&self) -> bool {
        self.tar.has_ended()
    }

    /// No more bytes come. The images of a sample that was cut come without their bytes.
    pub fn finish(mut self) -> Found {
        let end = self.tar.finish();
        if let Err(error) = &end {
            for image in &mut self.group.images {
                image.bytes = Err(RowError::new(ErrorKind::Truncated, format!("the shard {error}")));
            }
        }
        let images = self.close();
        let skipped = Skipped { special: self.tar.special(), files: self.files_left_out };
        Found { images, skipped, end }
    }

    /// A file begins; gives the images of the sample before it, if it belongs to another.
    fn begin(&mut self, name: String, size: u64) -> Result<Vec<ShardImage>, TarError> {
        let split = split(&name);
        let role = split.map_or(Role::Nothing, |(_, suffix)| role(suffix, self.image_names));
        let Some((key, suffix)) = split.filter(|_| role != Role::Nothing) else {
            self.files_left_out += 1;
            self.role = Role::Nothing;
            return Ok(Vec::new());
        };
        let suffix = suffix.to_ascii_lowercase();
        let another = key != self.group.key || self.holds(role, &suffix);
        let before = if another { self.close() } else { Vec::new() };
        if another {
            self.group.key = key.to_owned();
        }
        self.role = role;
        match role {
            Role::Image => return Ok([before, self.begin_image(name, suffix, size)].concat()),
            Role::Text(_) if self.group.begun => {
                let why = format!(
                    "`{name}` comes after too many images of its sample ({MOST_IMAGES}, or \
                     `limits.max_encoded_bytes`) to be held until it came; pack it in front of them"
                );
                return Err(TarError::Broken { offset: self.tar.offset(), why });
            }
            Role::Text(text) => {
                let place = self.group.texts.place(text);
                *place = Some(Ok(Vec::new()));
                if size > self.limits.text_bytes {
                    *place = Some(Err(format!(
                        "`{name}` beside it has {size} bytes, more than {}",
                        self.limits.text_bytes
                    )));
                }
            }
            Role::Nothing => {}
        }
        Ok(before)
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
            Role::Image => self.group.images.last_mut().and_then(|image| image.bytes.as_mut().ok()),
            Role::Text(text) => self.group.texts.place(text).as_mut().and_then(|text| text.as_mut().ok()),
            Role::Nothing => None,
        };
        if let Some(room) = room {
            room.extend_from_slice(bytes);
        }
    }

    /// The sample is whole.
    fn close(&mut self) -> Vec<ShardImage> {
        if self.group.images.is_empty() && !self.group.begun {
            self.files_left_out += self.group.texts.count();
        }
        let images = self.hand_on();
        self.group = Group::default();
        images
    }

    /// Its images so far; its texts stay.
    fn hand_on(&mut self) -> Vec<ShardImage> {
        let pending = std::mem::take(&mut self.group.images);
        self.group.begun |= !pending.is_empty();
        self.group.held = 0;
        let texts = Arc::new(self.group.texts.clone());
        let images = pending.into_iter().map(|image| ShardImage {
            name: self.unique(image.name),
            size: image.size,
            bytes: image.bytes,
            texts: texts.clone(),
        });
        images.collect()
    }

    /// The name, told apart from those that came before.
    fn unique(&mut self, name: String) -> String {
        let mut unique = name.clone();
        loop {
            let count = self.names.entry(hash(&unique)).or_default();
            *count += 1;
            if *count == 1 {
                return unique;
            }
            // counted at the plain name, so that a name that comes a million times is looked up once or twice
            let count = if unique == name { *count } else { self.count_on(&name) };
            unique = format!("{name}#{count}");
        }
    }

    fn count_on(&mut self, name: &str) -> u32 {
        let count = self.names.entry(hash(name)).or_default();
        *count += 1;
        *count
    }
}

fn hash(name: &str) -> [u8; 16] {
    let hash = Sha256::digest(name);
    std::array::from_fn(|byte| hash[byte])
}

/// Everything up to the first dot of the file's name, and what stands behind it.
fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    (dot > file).then(|| (&name[..dot], &name[dot + 1..]))
}

fn role(suffix: &str, image_names: ImageNames) -> Role {
    let suffix = suffix.to_ascii_lowercase();
    let extension = suffix.rsplit('.').next().unwrap_or_default();
    match suffix.as_str() {
        "cls" => Role::Text(Text::Cls),
        "json" => Role::Text(Text::Json),
        "txt" => Role::Text(Text::Txt),
        _ if image_names.take(extension) => Role::Image,
        _ => Role::Nothing,
    }
}

impl Texts {
    fn place(&mut self, text: Text) -> &mut Option<Result<Vec<u8>, String>> {
        match text {
            Text::Cls => &mut self.cls,
            Text::Json => &mut self.json,
            Text::Txt => &mut self.txt,
        }
    }

    fn count(&self) -> u64 {
        [&self.cls, &self.json, &self.txt].into_iter().flatten().count() as u64
    }
}
