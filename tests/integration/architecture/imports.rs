//! The imports of `src/`: read from the tokens of every file, so that nested `use` lists, paths in code and
//! names that a module re-exports are all resolved to the file that defines them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A path as written or resolved, one segment an entry.
type Segments = Vec<String>;

/// One file that needs an item which another one defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that needs it, below `src`.
    pub from: PathBuf,
    /// The file that defines it, below `src`.
    pub to: PathBuf,
    /// The path as it is written.
    pub path: String,
    /// True if unit tests alone need it.
    pub in_tests: bool,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} by `{}`", self.from.display(), self.to.display(), self.path)
    }
}

/// All modules of a crate, by their path.
pub struct Imports {
    modules: BTreeMap<Segments, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    items: BTreeSet<String>,
    uses: Vec<Use>,
    /// Paths in code, and whether a unit test holds them.
    mentions: BTreeSet<(Segments, bool)>,
}

struct Use {
    name: String,
    path: Segments,
    is_public: bool,
    in_tests: bool,
}

impl Imports {
    /// Reads the files below `folder`, which has the crate's `lib.rs` and `main.rs`.
    pub fn read(folder: &Path) -> Imports {
        let mut imports = Imports { modules: BTreeMap::new() };
        imports.read_folder(folder, folder);
        imports
    }

    fn read_folder(&mut self, folder: &Path, root: &Path) {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                self.read_folder(&path, root);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap();
                self.read_source(file, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Adds the file that is at `file` below `src`.
    fn read_source(&mut self, file: &Path, source: &str) {
        let mut path: Segments =
            file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if path.last().is_some_and(|last| last == "mod" || last == "lib") {
            path.pop();
        }
        let tokens: TokenStream = source.parse().unwrap();
        self.read_module(path, file, tokens, false);
    }

    fn read_module(&mut self, path: Segments, file: &Path, tokens: TokenStream, in_tests: bool) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        while !rest.is_empty() {
            let length = item_length(rest);
            let (item, after) = rest.split_at(length);
            rest = after;
            let in_tests = in_tests || is_test(item);
            let words = item_words(item);
            match words.first().map(String::as_str) {
                Some("use") => module.add_use(item, in_tests),
                Some("mod") => {
                    if let Some(TokenTree::Group(body)) = item.last() {
                        let inner = [&path[..], &[words[1].clone()]].concat();
                        self.read_module(inner, file, body.stream(), in_tests);
                    }
                }
                keyword => {
                    if let (Some(keyword), Some(name)) = (keyword, words.get(1))
                        && DEFINE.contains(&keyword)
                    {
                        module.items.insert(name.clone());
                    }
                    module.add_mentions(item, in_tests);
                }
            }
        }
        self.modules.insert(path, module);
    }

    /// The module that defines what a path names in a module; `None` for what other crates define and for modules
    /// themselves.
    fn definer(&self, path: &[String], within: &[String], depth: usize) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        if depth > 32 {
            return None;
        }
        match first.as_str() {
            "crate" | "tresnet_batch" => self.descend(rest, Vec::new(), depth),
            "self" => self.descend(rest, within.to_vec(), depth),
            "super" => {
                let parent = &within[..within.len().checked_sub(1)?];
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.definer(rest, parent, depth),
                    false => self.descend(rest, parent.to_vec(), depth),
                }
            }
            _ => self.descend(path, within.to_vec(), depth),
        }
    }

    fn descend(&self, path: &[String], mut module: Segments, depth: usize) -> Option<Segments> {
        for (at, name) in path.iter().enumerate() {
            let here = self.modules.get(&module)?;
            let child = [&module[..], std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&child) {
                module = child;
                continue;
            }
            if here.items.contains(name) {
                return Some(module);
            }
            let behind = &path[at + 1..];
            let named = here.uses.iter().find(|import| import.name == *name);
            if let Some(import) = named {
                return self.definer(&[&import.path[..], behind].concat(), &module, depth + 1);
            }
            let mut globs = here.uses.iter().filter(|import| import.name == "*");
            return globs
                .find_map(|glob| self.definer(&[&glob.path[..], &path[at..]].concat(), &module, depth + 1));
        }
        None
    }

    /// Every import of one file from another.
    pub fn all(&self) -> BTreeSet<Import> {
        let mut found = BTreeSet::new();
        for (path, module) in &self.modules {
            let used = module.uses.iter().filter(|import| !import.is_public && import.name != "*");
            let used = used.map(|import| (&import.path, import.in_tests));
            let mentioned = module.mentions.iter().map(|(path, in_tests)| (path, *in_tests));
            for (written, in_tests) in used.chain(mentioned) {
                let Some(definer) = self.definer(written, path, 0) else { continue };
                let to = &self.modules[&definer].file;
                if *to != module.file {
                    let path = written.join("::");
                    found.insert(Import { from: module.file.clone(), to: to.clone(), path, in_tests });
                }
            }
        }
        found
    }
}

/// Keywords that are followed by the name of an item.
const DEFINE: [&str; 9] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

/// Tokens of the first item: up to its semicolon or its braces.
fn item_length(tokens: &[TokenTree]) -> usize {
    let starts = item_words(tokens);
    let ends_with_semicolon =
        matches!(starts.first().map(String::as_str), Some("use" | "const" | "static" | "type"));
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !ends_with_semicolon => {
                return at + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The words that begin an item, without attributes, visibility and qualifiers of functions.
fn item_words(item: &[TokenTree]) -> Vec<String> {
    let mut words = Vec::new();
    let mut tokens = item.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!') {
                    tokens.next();
                }
                tokens.next();
            }
            TokenTree::Ident(ident) => {
                let word = ident.to_string();
                let is_const_fn = word == "const"
                    && matches!(tokens.peek(), Some(TokenTree::Ident(next)) if next == "fn" || next == "unsafe");
                match word.as_str() {
                    "pub" => {
                        if matches!(tokens.peek(), Some(TokenTree::Group(_))) {
                            tokens.next();
                        }
                    }
                    "async" | "unsafe" | "extern" => {}
                    _ if is_const_fn => {}
                    _ => words.push(word),
                }
                if words.len() == 2 {
                    break;
                }
            }
            // `macro_rules!`, and the ABI of `extern "C"`
            TokenTree::Punct(punct) if punct.as_char() == '!' => {}
            TokenTree::Literal(_) => {}
            _ => break,
        }
    }
    words
}

/// True for an item after `#[cfg(test)]`, alone or with other conditions.
fn is_test(item: &[TokenTree]) -> bool {
    item.windows(2).any(|pair| match pair {
        [TokenTree::Punct(hash), TokenTree::Group(group)] if hash.as_char() == '#' => {
            let text = group.to_string().replace(' ', "");
            text.starts_with("[cfg(test") || text.starts_with("[cfg(all(test")
        }
        _ => false,
    })
}

impl Module {
    fn add_use(&mut self, item: &[TokenTree], in_tests: bool) {
        let is_public = item.iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "pub"));
        let tree = item.iter().skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "use"));
        let tree: Vec<TokenTree> = tree.skip(1).cloned().collect();
        self.add_use_tree(&tree, &[], is_public, in_tests);
    }

    fn add_use_tree(&mut self, tree: &[TokenTree], prefix: &[String], is_public: bool, in_tests: bool) {
        let mut path = prefix.to_vec();
        let mut tokens = tree.iter();
        let mut alias = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => alias = tokens.next().map(ToString::to_string),
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(list) => {
                    let list: Vec<TokenTree> = list.stream().into_iter().collect();
                    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for branch in list.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.add_use_tree(branch, &path, is_public, in_tests);
                    }
                    return;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    self.uses.push(Use { name: "*".into(), path, is_public, in_tests });
                    return;
                }
                _ => {}
            }
        }
        // `use a::b::{self}` names `b`
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            self.uses.push(Use { name: alias.unwrap_or_else(|| last.clone()), path, is_public, in_tests });
        }
    }

    fn add_mentions(&mut self, tokens: &[TokenTree], in_tests: bool) {
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "use" && path.is_empty() => {
                    let length = item_length(&tokens[at..]);
                    self.add_use(&tokens[at..at + length], in_tests);
                    // its words are read once more as mentions, which name the same items
                }
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.mention(&mut path, in_tests);
                    }
                    path.push(word.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    if colons == 1 && punct.spacing() == Spacing::Alone {
                        self.mention(&mut path, in_tests);
                        colons = 0;
                    }
                    continue;
                }
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.add_mentions(&inner, in_tests);
                }
                _ => {}
            }
            self.mention(&mut path, in_tests);
            colons = 0;
        }
        self.mention(&mut path, in_tests);
    }

    fn mention(&mut self, path: &mut Segments, in_tests: bool) {
        let path = std::mem::take(path);
        if !path.is_empty() {
            self.mentions.insert((path, in_tests));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn imports(files: &[(&str, &str)]) -> BTreeSet<Import> {
        let mut imports = Imports { modules: BTreeMap::new() };
        imports.read_source(Path::new("lib.rs"), "");
        for (file, source) in files {
            imports.read_source(Path::new(file), source);
        }
        imports.all()
    }

    fn pairs(files: &[(&str, &str)]) -> Vec<String> {
        let pairs: BTreeSet<String> = imports(files)
            .iter()
            .map(|import| format!("{} -> {}", import.from.display(), import.to.display()))
            .collect();
        pairs.into_iter().collect()
    }

    pub(crate) const A: (&str, &str) = ("a/mod.rs", "mod b; mod c; pub use b::B;");
    const B: (&str, &str) = ("a/b.rs", "pub struct B; pub fn make() -> B { B }");

    #[test]
    fn a_nested_list_is_read_to_its_leaves() {
        let user = ("u.rs", "use crate::{a::{b::{make, B as Other}, c}, v::V};");
        let files = [A, B, ("a/c.rs", ""), ("v.rs", "pub enum V { X }"), user];
        assert_eq!(pairs(&files), ["u.rs -> a/b.rs", "u.rs -> v.rs"]);
    }

    #[test]
    fn a_name_that_a_module_hands_on_counts_as_its_definers() {
        let files = [A, B, ("a/c.rs", "use super::B; fn f(_: B) {}")];
        assert_eq!(pairs(&files), ["a/c.rs -> a/b.rs"]);
    }

    #[test]
    fn a_path_in_code_is_an_import_too() {
        for code in ["crate::a::B", "crate::a::b::make()", "super::a::B"] {
            let user = format!("fn f() {{ let _ = vec![{code}]; }}");
            assert_eq!(pairs(&[A, B, ("a/c.rs", ""), ("u.rs", &user)]), ["u.rs -> a/b.rs"], "{code}");
        }
    }
}
