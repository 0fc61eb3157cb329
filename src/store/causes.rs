//! What is among the causes of a client's error.

use std::error::Error;
use std::io;

/// The operating system's error in a local store's, made anew, since the original stays inside. Network errors are
/// wrapped in the HTTP client's own types and carry an `io::Error` too, so only the local store's are looked at.
pub(super) fn io_error(error: &object_store::Error) -> Option<io::Error> {
    let object_store::Error::Generic { store: "LocalFileSystem", source } = error else { return None };
    let io = cause_of::<io::Error>(source.as_ref())?;
    let code = io.raw_os_error().map(io::Error::from_raw_os_error);
    Some(code.unwrap_or_else(|| io::Error::new(io.kind(), io.to_string())))
}

/// The first error of a type in a chain of causes.
pub(super) fn cause_of<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        link = error.source();
    }
    None
}
