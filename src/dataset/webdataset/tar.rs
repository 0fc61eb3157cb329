//! Tar archives read from a stream of bytes: ustar, GNU long names, pax.
//!
//! Written here and not taken from a crate because it must continue from window to window of a ranged read, hold
//! nothing of a member, and distinguish an archive that was cut from one that has ended. It refuses sparse
//! members, and it trusts nothing that a checksum does not cover.

use super::error::TarError;
use super::header::{BLOCK, Header, Kind, Pax, begins_as, escape, text};

/// Longest name of a member in bytes.
const LONGEST_NAME: u64 = 16 << 10;
/// Largest set of pax records.
const LARGEST_PAX: u64 = 1 << 20;

/// Members that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Links, devices, FIFOs and other members that are no files. Folders are part of the names and not counted.
    pub special: u64,
    /// Files that belong to no image.
    pub files: u64,
    /// Bytes after the end of the archive that are neither zeros nor another archive.
    pub trailing: u64,
}

impl Skipped {
    /// What is left out; all trailing bytes are one thing.
    pub fn count(&self) -> u64 {
        self.special + self.files + u64::from(self.trailing > 0)
    }
}

/// The next thing in an archive.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'w> {
    /// A file begins.
    File {
        /// Its name; bytes that are not UTF-8 are written as `\xff`.
        name: String,
        /// Its length, as its header claims.
        size: u64,
    },
    /// The file's next bytes.
    Bytes(&'w [u8]),
    /// The file has ended.
    End,
}

enum State {
    /// Collects a header.
    Header,
    /// Hands a file's bytes on.
    File { left: u64, size: u64 },
    /// Collects the bytes of a header that extends the next one.
    Extension { kind: Kind, left: u64, padding: u64 },
    /// Leaves bytes out.
    Skip { left: u64 },
    /// The end mark has come: looks for another archive, block by block.
    Ended,
}

/// An archive as a state machine: give it windows in order, take events.
pub struct TarReader {
    state: State,
    /// Bytes of the header or extension that is being collected.
    collected: Vec<u8>,
    /// Name of the current file, for messages.
    name: String,
    long_name: Option<Vec<u8>>,
    pax: Option<Pax>,
    zeros: bool,
    offset: u64,
    /// Where the headers of the next member begin, once one of them was read.
    next_member: Option<u64>,
    /// Where the headers of the current file began.
    member: u64,
    special: u64,
    trailing: u64,
    /// A member came after an end mark.
    goes_on: bool,
    /// What follows the end mark is not looked at.
    stops: bool,
}

impl Default for TarReader {
    fn default() -> Self {
        TarReader {
            state: State::Header,
            collected: Vec::with_capacity(BLOCK),
            name: String::new(),
            long_name: None,
            pax: None,
            zeros: false,
            offset: 0,
            next_member: None,
            member: 0,
            special: 0,
            trailing: 0,
            goes_on: false,
            stops: false,
        }
    }
}

impl TarReader {
    /// One that begins at the headers of a member.
    pub fn at(offset: u64) -> Self {
        TarReader { offset, ..TarReader::default() }
    }

    /// Ends at the first end mark, as version 0.1.0 did.
    pub fn stopping(self) -> Self {
        TarReader { stops: true, ..self }
    }

    /// The next event, taking from the window's front what it needs. `None`: the window is used up.
    ///
    /// # Errors
    /// Where the bytes are not an archive's. Nothing further can be read then.
    pub fn next<'w>(&mut self, window: &mut &'w [u8]) -> Result<Option<Event<'w>>, TarError> {
        loop {
            match self.state {
                State::Ended if self.stops => {
                    *window = &[];
                    return Ok(None);
                }
                State::File { left: 0, size } => {
                    self.state = State::Skip { left: padding(size) };
                    return Ok(Some(Event::End));
                }
                State::Skip { left: 0 } => self.state = State::Header,
                _ if window.is_empty() => return Ok(None),
                State::File { left, size } => {
                    let bytes = self.take(window, left);
                    self.state = State::File { left: left - bytes.len() as u64, size };
                    return Ok(Some(Event::Bytes(bytes)));
                }
                State::Skip { left } => {
                    let bytes = self.take(window, left);
                    self.state = State::Skip { left: left - bytes.len() as u64 };
                }
                State::Extension { kind, left, padding } => {
                    let bytes = self.take(window, left);
                    self.collected.extend_from_slice(bytes);
                    let left = left - bytes.len() as u64;
                    self.state = State::Extension { kind, left, padding };
                    if left == 0 {
                        self.extend(kind)?;
                        self.state = State::Skip { left: padding };
                    }
                }
                State::Header | State::Ended => {
                    let wanted = (BLOCK - self.collected.len()) as u64;
                    let bytes = self.take(window, wanted);
                    self.collected.extend_from_slice(bytes);
                    if let Ok(block) = <[u8; BLOCK]>::try_from(self.collected.as_slice()) {
                        self.collected.clear();
                        if matches!(self.state, State::Ended) && !self.begins_another(&block) {
                            continue;
                        }
                        if let Some(event) = self.header(&block)? {
                            return Ok(Some(event));
                        }
                    }
                }
            }
        }
    }

    /// Whether a block after the end mark is the first header of another archive; one that is not is counted.
    fn begins_another(&mut self, block: &[u8; BLOCK]) -> bool {
        if block.iter().all(|byte| *byte == 0) {
            return false;
        }
        if Header::parse(block).is_err() {
            self.trailing += BLOCK as u64;
            return false;
        }
        (self.state, self.zeros, self.goes_on) = (State::Header, false, true);
        true
    }

    /// True after the mark that ends an archive, as long as no other one follows.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// True once a member came after an end mark.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Returns where the headers of the current file began, as an offset in bytes.
    pub fn member_start(&self) -> u64 {
        self.member
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Links, devices and other members without a file's bytes, so far.
    pub fn special(&self) -> u64 {
        self.special
    }

    /// Bytes after an end mark that are neither zeros nor a member's, so far.
    pub fn trailing(&self) -> u64 {
        let is_ended = matches!(self.state, State::Ended);
        let more = is_ended && self.collected.iter().any(|byte| *byte != 0);
        self.trailing + if more { self.collected.len() as u64 } else { 0 }
    }

    /// Ends the input: no more bytes come.
    ///
    /// # Errors
    /// If that is too early. An archive without an end mark is whole if it ends after a member.
    pub fn finish(&self) -> Result<(), TarError> {
        let inside = match self.state {
            State::Ended => return Ok(()),
            _ if self.offset == 0 => return Err(TarError::NotTar { why: "it is empty".into() }),
            _ if self.offset < BLOCK as u64 => {
                let why = begins_as(&self.collected).unwrap_or("it is shorter than a header").into();
                return Err(TarError::NotTar { why });
            }
            State::Header if !self.collected.is_empty() => "a header".to_owned(),
            State::Extension { .. } => "a long name or a pax header".to_owned(),
            State::Header | State::Skip { left: 0 } if self.long_name.is_some() || self.pax.is_some() => {
                "a member's headers".to_owned()
            }
            State::Header | State::Skip { left: 0 } => return Ok(()),
            State::File { left: 0, .. } | State::Skip { .. } => {
                format!("the padding or the unused bytes after `{}`", self.name)
            }
            State::File { left, size } => format!("`{}` ({} of {size} bytes)", self.name, size - left),
        };
        Err(TarError::Truncated { offset: self.offset, inside })
    }

    fn take<'w>(&mut self, window: &mut &'w [u8], most: u64) -> &'w [u8] {
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(window.len());
        let (bytes, rest) = window.split_at(count);
        *window = rest;
        self.offset += count as u64;
        bytes
    }

    fn broken(&self, why: impl Into<String>) -> TarError {
        TarError::Broken { offset: self.offset - BLOCK as u64, why: why.into() }
    }

    fn header<'w>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'w>>, TarError> {
        if block.iter().all(|byte| *byte == 0) {
            if self.long_name.is_some() || self.pax.is_some() {
                return Err(self.broken("the archive ends between a member's headers"));
            }
            if self.zeros {
                self.state = State::Ended;
            }
            self.zeros = true;
            return Ok(None);
        }
        if self.zeros {
            return Err(self.broken("something follows a single block of zeros (the end has two)"));
        }
        self.next_member.get_or_insert(self.offset - BLOCK as u64);
        let header = Header::parse(block).map_err(|why| {
            if self.offset == BLOCK as u64 {
                return TarError::NotTar { why: begins_as(block).map_or(why, str::to_owned) };
            }
            self.broken(format!("a header is not valid: {why}"))
        })?;
        match header.kind {
            Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxGlobal => self.extension(&header)?,
            kind => return self.member(kind, header),
        }
        Ok(None)
    }

    fn extension(&mut self, header: &Header) -> Result<(), TarError> {
        let most = match header.kind {
            Kind::LongName | Kind::LongLink => LONGEST_NAME,
            _ => LARGEST_PAX,
        };
        if header.size > most {
            let size = header.size;
            return Err(self.broken(format!("a name or pax header claims {size} bytes, more than {most}")));
        }
        self.state = State::Extension { kind: header.kind, left: header.size, padding: padding(header.size) };
        if header.size == 0 {
            self.extend(header.kind)?;
            self.state = State::Header;
        }
        Ok(())
    }

    /// The bytes of an extension are here.
    fn extend(&mut self, kind: Kind) -> Result<(), TarError> {
        let bytes = std::mem::take(&mut self.collected);
        let records =
            |reader: &Self| Pax::parse(&bytes).map_err(|why| TarError::Broken { offset: reader.offset, why });
        match kind {
            Kind::LongName => self.long_name = Some(text(&bytes).to_vec()),
            Kind::Pax => self.pax = Some(records(self)?),
            Kind::PaxGlobal => {
                let global = records(self)?;
                if global != Pax::default() {
                    let why = "a global pax header gives all members one name or size".into();
                    return Err(TarError::Broken { offset: self.offset, why });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn member<'w>(&mut self, kind: Kind, header: Header) -> Result<Option<Event<'w>>, TarError> {
        self.member = self.next_member.take().unwrap_or_default();
        let pax = self.pax.take().unwrap_or_default();
        let name = pax.path.or(self.long_name.take()).unwrap_or(header.name);
        self.long_name = None;
        self.name = escape(&name);
        if kind == Kind::Sparse || pax.sparse {
            return Err(self.broken(format!("`{}` is a sparse member; pack it without -S", self.name)));
        }
        if name.len() as u64 > LONGEST_NAME {
            return Err(self.broken(format!("a name of {} bytes, more than {LONGEST_NAME}", name.len())));
        }
        let size = pax.size.unwrap_or(header.size);
        match kind {
            Kind::File => {
                self.state = State::File { left: size, size };
                return Ok(Some(Event::File { name: self.name.clone(), size }));
            }
            Kind::Bare if name.last() == Some(&b'/') => {}
            Kind::Bare => self.special += 1,
            _ => {
                self.special += 1;
                // no overflow: sizes are below 2^63
                self.state = State::Skip { left: size + padding(size) };
            }
        }
        Ok(None)
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}
