//! Where a crate gets `jackfield-plugin-api` from.

use anyhow::{Context, Result, bail};
use jackfield::VersionReq;
use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

const CRATE: &str = "jackfield-plugin-api";

/// Where the crate is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// In this directory.
    Directory(PathBuf),
    /// In the registry, in these versions.
    Registry(String),
    /// In a git repository, perhaps at a tag.
    Git { url: String, tag: Option<String> },
}

impl Api {
    /// What `--api` says, or else the checkout that this program or the current directory lies in.
    pub(super) fn find(wish: Option<&str>) -> Result<Self> {
        let Some(wish) = wish else { return near().map(Self::Directory) };
        if wish.contains("://") {
            let (url, tag) = match wish.split_once('#') {
                Some((url, tag)) => (url, Some(tag.to_owned())),
                None => (wish, None),
            };
            return Ok(Self::Git { url: url.to_owned(), tag });
        }
        if VersionReq::parse(wish).is_ok() {
            return Ok(Self::Registry(wish.to_owned()));
        }
        match crate_in(Path::new(wish)) {
            Some(directory) => Ok(Self::Directory(directory)),
            None => bail!("--api `{wish}` is no version, no URL, and no directory with the crate {CRATE}"),
        }
    }

    /// As a manifest in `directory`, which exists, names it.
    pub(super) fn seen_from(self, directory: &Path) -> Result<Self> {
        let Self::Directory(api) = self else { return Ok(self) };
        let absolute =
            |path: &Path| path.canonicalize().with_context(|| format!("`{}` cannot be read", path.display()));
        Ok(Self::Directory(between(&absolute(directory)?, &absolute(&api)?)))
    }
}

/// The crate in a directory of this name, or in a checkout of this name.
fn crate_in(directory: &Path) -> Option<PathBuf> {
    let candidates = [directory.to_owned(), directory.join("plugin-api")];
    candidates.into_iter().find(|candidate| {
        let manifest = fs::read_to_string(candidate.join("Cargo.toml")).unwrap_or_default();
        manifest.contains(&format!("name = \"{CRATE}\""))
    })
}

fn near() -> Result<PathBuf> {
    let places = [env::current_exe().and_then(|exe| exe.canonicalize()), env::current_dir()];
    let mut above = places.iter().flatten().flat_map(|place| place.ancestors());
    let Some(found) = above.find_map(crate_in) else {
        bail!(
            "there is no checkout of Jackfield around this program or the current directory to take {CRATE} from; \
             name a checkout, a version or the URL of a git repository with --api"
        );
    };
    Ok(found)
}

/// The way from one directory to another, both absolute and without links; the absolute one if they have nothing in
/// common but the root.
fn between(from: &Path, to: &Path) -> PathBuf {
    let is_named = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let common: Vec<Component<'_>> =
        from.components().zip(to.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    if !common.iter().any(is_named) {
        return to.to_owned();
    }
    let up = from.components().skip(common.len()).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_neighbour_is_relative_and_to_a_stranger_absolute() {
        let way = |from: &str, to: &str| between(Path::new(from), Path::new(to));
        assert_eq!(way("/a/b/words", "/a/b/jackfield/plugin-api"), Path::new("../jackfield/plugin-api"));
        assert_eq!(way("/a/examples/x", "/a/plugin-api"), Path::new("../../plugin-api"));
        assert_eq!(way("/tmp/words", "/a/plugin-api"), Path::new("/a/plugin-api"));
    }

    #[test]
    fn versions_urls_and_directories_are_told_apart() {
        assert_eq!(Api::find(Some("^0.1")).unwrap(), Api::Registry("^0.1".into()));
        let git = |tag: Option<&str>| Api::Git { url: "https://x.org/y".into(), tag: tag.map(str::to_owned) };
        assert_eq!(Api::find(Some("https://x.org/y")).unwrap(), git(None));
        assert_eq!(Api::find(Some("https://x.org/y#v0.1.0")).unwrap(), git(Some("v0.1.0")));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let directory = Api::Directory(root.join("plugin-api"));
        assert_eq!(Api::find(root.to_str()).unwrap(), directory);
        assert_eq!(Api::find(root.join("plugin-api").to_str()).unwrap(), directory);
        assert!(Api::find(root.join("host").to_str()).unwrap_err().to_string().contains("host`"));
    }
}
