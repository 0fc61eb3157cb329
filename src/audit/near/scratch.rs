//! Files that an audit keeps between calls, so that a stopped one resumes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::projection::{DIMS, Sketch, WORDS};
use super::scan::{MOST_CANDIDATES, TILE, Tile};
use super::sketches::Sketches;
use super::summed::{SUM_BYTES, Summed};

const MAGIC: &[u8; 24] = b"tresnet-batch sketches 2";
/// Bytes of a record of a tile before its pairs, and of its checksum after them.
const HEAD: usize = 16;
const SUM: usize = 8;

/// A folder of one audit, by the outputs that are audited.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    key: String,
    _lock: File,
}

/// The tiles that are done, in a file or in memory alone.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<File>,
    done: Vec<bool>,
    /// The pairs of all tiles that are done.
    pub pairs: Vec<(u32, u32)>,
    /// Candidates that are not kept.
    pub left_out: u64,
}

impl Scratch {
    /// Opens the folder, which is made if there is none. `identity` is all that the files depend on.
    ///
    /// # Errors
    /// The folder cannot be used, or another audit of the same outputs uses it ([`ErrorKind::ResourceBusy`]).
    pub fn open(folder: &Path, identity: &str) -> io::Result<Scratch> {
        std::fs::create_dir_all(folder)?;
        let hash = Sha256::digest(identity);
        let key: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(format!("audit-{key}.lock")))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::from(ErrorKind::ResourceBusy),
            TryLockError::Error(error) => error,
        })?;
        Ok(Scratch { folder: folder.to_owned(), key, _lock: lock })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("audit-{}-{name}", self.key))
    }

    /// Reads sketches and the mean that [`Scratch::store`] wrote; `None` if there are none, or others than of `width`
    /// numbers and of rows below `rows` that ascend, or if the file is damaged.
    ///
    /// # Errors
    /// The file exists and cannot be opened or read; there is not enough memory for its sketches.
    pub fn load(&self, name: &str, (rows, width): (u64, usize)) -> io::Result<Option<(Sketches, Vec<f32>)>> {
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut reader = Summed::new(BufReader::with_capacity(1 << 20, file));
        let mut head = [0; MAGIC.len() + 16];
        if size < head.len() as u64 {
            return Ok(None);
        }
        reader.read_exact(&mut head)?;
        let number =
            |at: usize| head[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (count, stored) = (number(MAGIC.len()), number(MAGIC.len() + 8));
        let record = (4 + DIMS + 8 * WORDS) as u64;
        let around = (head.len() + 4 * width + SUM_BYTES) as u64;
        let expected = count.saturating_mul(record).saturating_add(around);
        if !head.starts_with(MAGIC) || stored != width as u64 || count > rows || size != expected {
            return Ok(None);
        }
        let mut mean = vec![0.0; width];
        let mut word = [0; 4];
        for value in &mut mean {
            reader.read_exact(&mut word)?;
            *value = f32::from_le_bytes(word);
        }
        let mut sketches = Sketches::with_capacity(count as usize)
            .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
        let mut least = 0;
        for _ in 0..count {
            reader.read_exact(&mut word)?;
            let row = u32::from_le_bytes(word);
            if !(least..rows).contains(&u64::from(row)) {
                return Ok(None);
            }
            least = u64::from(row) + 1;
            let mut bytes = [0; DIMS];
            reader.read_exact(&mut bytes)?;
            let mut signs = [0; WORDS];
            for word in &mut signs {
                let mut bytes = [0; 8];
                reader.read_exact(&mut bytes)?;
                *word = u64::from_le_bytes(bytes);
            }
            sketches.push(row, Sketch { values: bytes.map(|byte| byte as i8), signs });
        }
        let (mut reader, sum) = reader.finish();
        let mut stored = [0; SUM_BYTES];
        reader.read_exact(&mut stored)?;
        Ok((sum == stored).then_some((sketches, mean)))
    }

    /// Stores sketches, whole or not at all.
    ///
    /// # Errors
    /// The draft cannot be created, written, synced or renamed.
    pub fn store(&self, name: &str, sketches: &Sketches, mean: &[f32]) -> io::Result<()> {
        let draft = self.path(&format!("{name}.part"));
        let file = BufWriter::with_capacity(1 << 20, File::create(&draft)?);
        let mut writer = Summed::new(file);
        writer.write_all(MAGIC)?;
        writer.write_all(&(sketches.len() as u64).to_le_bytes())?;
        writer.write_all(&(mean.len() as u64).to_le_bytes())?;
        mean.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes()))?;
        for ((row, values), signs) in sketches.rows.iter().zip(&sketches.values).zip(&sketches.signs) {
            writer.write_all(&row.to_le_bytes())?;
            writer.write_all(&values.map(|value| value as u8))?;
            signs.iter().try_for_each(|word| writer.write_all(&word.to_le_bytes()))?;
        }
        let (mut file, sum) = writer.finish();
        file.write_all(&sum)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(draft, self.path(name))
    }

    /// Opens the journal of a scan of `tiles` tiles.
    ///
    /// # Errors
    /// The file cannot be opened, read, or cut after its last whole record.
    pub fn journal(&self, name: &str, tiles: usize) -> io::Result<Journal> {
        let path = self.path(name);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut journal = Journal::in_memory(tiles);
        let whole = journal.read(&mut BufReader::with_capacity(1 << 20, &file))?;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        journal.file = Some(file);
        Ok(journal)
    }
}

/// A file that vanishes with its last user: in `folder`, or in the system's folder for temporary files.
///
/// # Errors
/// No file can be created in the folder, or the created one cannot be removed from it. [`ErrorKind::AlreadyExists`]
/// if 1,000 names are taken.
pub fn unnamed_file(folder: Option<&Path>) -> io::Result<File> {
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
    for attempt in 0..1000 {
        let path = folder.join(format!("tresnet-batch-{}-{attempt}.vectors", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

impl Journal {
    pub fn in_memory(tiles: usize) -> Journal {
        Journal { done: vec![false; tiles], ..Journal::default() }
    }

    /// The tiles that are not done.
    pub fn open_tiles(&self) -> Vec<usize> {
        (0..self.done.len()).filter(|tile| !self.done[*tile]).collect()
    }

    /// Takes a tile.
    ///
    /// # Errors
    /// The record cannot be written to the file.
    pub fn add(&mut self, tile: usize, found: Tile) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut record = Vec::with_capacity(HEAD + 8 * found.pairs.len() + SUM);
            record.extend((tile as u32).to_le_bytes());
            record.extend((found.pairs.len() as u32).to_le_bytes());
            record.extend(found.left_out.to_le_bytes());
            for (a, b) in &found.pairs {
                record.extend(a.to_le_bytes());
                record.extend(b.to_le_bytes());
            }
            record.extend(checksum(&record));
            file.write_all(&record)?;
        }
        self.take(tile, found);
        Ok(())
    }

    fn take(&mut self, tile: usize, found: Tile) {
        if !std::mem::replace(&mut self.done[tile], true) {
            self.left_out += found.left_out;
            self.pairs.extend(found.pairs);
        }
    }

    /// Reads whole records, and returns where the last of them ends.
    fn read(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        let mut whole = 0;
        loop {
            let mut record = vec![0; HEAD];
            if !fill(reader, &mut record)? {
                return Ok(whole);
            }
            let word =
                |at: usize| record[at..at + 4].iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            let (tile, pairs) = (word(0) as usize, word(4) as usize);
            let left_out = u64::from(word(12)) << 32 | u64::from(word(8));
            if tile >= self.done.len() || pairs > TILE * MOST_CANDIDATES {
                return Ok(whole);
            }
            record.resize(HEAD + 8 * pairs + SUM, 0);
            if !fill(reader, &mut record[HEAD..])? {
                return Ok(whole);
            }
            let (body, sum) = record.split_at(HEAD + 8 * pairs);
            if sum != checksum(body) {
                return Ok(whole);
            }
            let numbers = body[HEAD..].as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
            let numbers: Vec<u32> = numbers.collect();
            let pairs = numbers.as_chunks::<2>().0.iter().map(|[a, b]| (*a, *b)).collect();
            whole += record.len() as u64;
            self.take(tile, Tile { pairs, left_out });
        }
    }
}

/// Fills `bytes`; false if the file ends before.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let hash = Sha256::digest(bytes);
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketches() -> Sketches {
        let mut sketches = Sketches::default();
        for row in [2_u32, 5] {
            let values = std::array::from_fn(|at| (at as i32 - 60 + row as i32) as i8);
            sketches.push(row, Sketch { values, signs: [u64::from(row), u64::MAX] });
        }
        sketches
    }

    #[test]
    fn sketches_come_back_as_they_were_stored() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path(), "a").unwrap();
        assert!(scratch.load("sketches", (10, 2)).unwrap().is_none());
        scratch.store("sketches", &sketches(), &[0.5, -1.0]).unwrap();
        let (found, mean) = scratch.load("sketches", (10, 2)).unwrap().unwrap();
        assert_eq!((found.rows, found.values, found.signs), {
            let stored = sketches();
            (stored.rows, stored.values, stored.signs)
        });
        assert_eq!(mean, [0.5, -1.0]);
        assert!(scratch.load("sketches", (1, 2)).unwrap().is_none(), "more sketches than rows");
        assert!(scratch.load("sketches", (5, 2)).unwrap().is_none(), "a row beyond the last");
        assert!(scratch.load("sketches", (10, 3)).unwrap().is_none(), "another width");
    }

    #[test]
    fn sketches_are_made_again_where_a_bit_of_their_file_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path(), "a").unwrap();
        scratch.store("sketches", &sketches(), &[0.5, -1.0]).unwrap();
        let path = scratch.path("sketches");
        let whole = std::fs::read(&path).unwrap();
        // the mean, a value of the last sketch, the sum
        for at in [MAGIC.len() + 17, whole.len() - SUM_BYTES - 30, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert!(scratch.load("sketches", (10, 2)).unwrap().is_none(), "byte {at}");
        }
    }

    #[test]
    fn a_journal_resumes_before_the_first_record_that_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path(), "a").unwrap();
        let tile = |pair: (u32, u32)| Tile { pairs: vec![pair], left_out: 3 };
        let mut journal = scratch.journal("tiles", 4).unwrap();
        journal.add(2, tile((1, 9))).unwrap();
        journal.add(0, tile((0, 7))).unwrap();
        drop(journal);
        let path = scratch.path("tiles");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut journal = scratch.journal("tiles", 4).unwrap();
        assert_eq!((journal.open_tiles(), journal.left_out), (vec![0, 1, 3], 3));
        assert_eq!(journal.pairs, [(1, 9)]);
        journal.add(0, tile((0, 7))).unwrap();
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn two_audits_of_the_same_outputs_do_not_share_a_folder_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Scratch::open(folder.path(), "a").unwrap();
        assert_eq!(Scratch::open(folder.path(), "a").unwrap_err().kind(), ErrorKind::ResourceBusy);
        assert!(Scratch::open(folder.path(), "b").is_ok());
        drop(first);
        assert!(Scratch::open(folder.path(), "a").is_ok());
    }
}
