//! Addresses that name an Azure storage account by its host.

use percent_encoding::percent_decode_str;

/// Ends of the hosts at which an account's objects are read: as blobs, and as files of a data lake.
const HOSTS: [&str; 2] = [".blob.core.windows.net", ".dfs.core.windows.net"];

/// A folder of a container of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountAddress {
    pub account: String,
    pub container: String,
    /// What comes after the container, as it was typed.
    pub rest: String,
}

/// Returns the account of a host such as `account.blob.core.windows.net`.
pub(super) fn account_of(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let account = HOSTS.iter().find_map(|end| host.strip_suffix(end))?;
    is_account(account).then(|| account.to_owned())
}

/// True for what may name an account: emulators take others than Azure, and no other character may get into a host's
/// name or a signature.
pub(super) fn is_account_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// True for what Azure allows as the name of an account.
fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Splits `container@host/rest` and `host/container/rest`, which is what comes after the scheme. `None` if the address
/// names no account: it is then `container/rest`, or has a credential in it.
pub(super) fn split(address: &str) -> Option<AccountAddress> {
    let (authority, rest) = address.split_once('/').unwrap_or((address, ""));
    let (container, account, rest) = match authority.split_once('@') {
        Some((container, host)) => (container, account_of(host)?, rest),
        None => {
            let (container, rest) = rest.split_once('/').unwrap_or((rest, ""));
            (container, account_of(authority)?, rest)
        }
    };
    // what is no container before an `@` may be a secret
    let is_container = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.len() <= 63 && name.strip_prefix('$').unwrap_or(name).bytes().all(is_plain)
    };
    is_container(container).then(|| AccountAddress {
        account,
        container: container.into(),
        rest: rest.into(),
    })
}

/// As [`split`] for an `https://` address, which is percent-encoded and has the container in its path.
pub(super) fn split_url(address: &str) -> Option<AccountAddress> {
    let authority = address.split('/').next()?;
    if authority.contains('@') {
        return None;
    }
    let rest = percent_decode_str(&address[authority.len()..]).decode_utf8().ok()?;
    split(&format!("{authority}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: Option<AccountAddress>) -> Option<(String, String, String)> {
        address.map(|found| (found.account, found.container, found.rest))
    }

    #[test]
    fn the_account_is_found_in_every_form_of_an_address() {
        for address in [
            "images@acme1.dfs.core.windows.net/a b/c",
            "images@acme1.blob.core.windows.net/a b/c",
            "images@ACME1.Blob.Core.Windows.Net/a b/c",
            "acme1.blob.core.windows.net/images/a b/c",
        ] {
            let expected = Some(("acme1".to_owned(), "images".to_owned(), "a b/c".to_owned()));
            assert_eq!(parts(split(address)), expected, "{address}");
        }
        let url = split_url("acme1.dfs.core.windows.net/images/a%20b/c");
        assert_eq!(parts(url).unwrap().2, "a b/c");
        assert_eq!(parts(split("$web@acme1.dfs.core.windows.net")).unwrap().1, "$web");
    }

    #[test]
    fn what_may_be_a_secret_is_no_container() {
        for address in [
            "key:secret@acme1.dfs.core.windows.net/x",
            "Secret+/=@acme1.dfs.core.windows.net/x",
            "images@elsewhere.example/x",
            "images@a.b.dfs.core.windows.net/x",
            "images/x",
        ] {
            assert_eq!(split(address), None, "{address}");
        }
        assert_eq!(split_url("images@acme1.blob.core.windows.net/x"), None);
    }
}
