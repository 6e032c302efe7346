//! Which configuration file is meant.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::stages::Usage;

/// A file, and why this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) why: &'static str,
}

/// What the order of places depends on.
pub(crate) struct Surroundings<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(crate) exists: &'a dyn Fn(&Path) -> bool,
    pub(crate) is_root: bool,
}

/// No file was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no configuration file was found\n{}", remedy(.looked_at, *.skipped_here))]
pub(crate) struct NotFound {
    looked_at: Vec<PathBuf>,
    /// `./weir.yaml` is there, but was not read.
    skipped_here: bool,
}

fn remedy(looked_at: &[PathBuf], skipped_here: bool) -> String {
    let places: Vec<String> =
        looked_at.iter().map(|path| format!("  looked at {}\n", path.display())).collect();
    let places = places.concat();
    let here = if skipped_here {
        "  ./weir.yaml is there, but what lies in the current directory is not taken as root: say `-c ./weir.yaml`\n"
    } else {
        ""
    };
    format!(
        "{places}{here}  `weir init` writes one to start from; `weir up` runs without one; `-c FILE` names one"
    )
}

/// The file to read. One that is named, by `--config` or `$WEIR_CONFIG`, is taken whether it exists or not, so that a
/// slip of the pen is an error and not another file.
pub(crate) fn find(given: Option<&Path>, around: &Surroundings) -> Result<Place, NotFound> {
    if let Some(path) = given {
        return Ok(Place { path: path.to_owned(), why: "--config" });
    }
    let set = |name: &str| (around.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("WEIR_CONFIG") {
        return Ok(Place { path, why: "$WEIR_CONFIG" });
    }
    let home = set("HOME");
    // An unset or relative XDG_CONFIG_HOME stands for ~/.config (XDG Base Directory Specification).
    let xdg = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config")));
    let here = PathBuf::from("./weir.yaml");
    let places = [
        (!around.is_root).then(|| Place { path: here.clone(), why: "the current directory" }),
        xdg.map(|dir| Place { path: dir.join("weir/weir.yaml"), why: "the user's configuration" }),
        home.map(|home| Place { path: home.join(".weir.yaml"), why: "the home directory" }),
        Some(Place { path: "/etc/weir/weir.yaml".into(), why: "the system's configuration" }),
    ];
    let places: Vec<Place> = places.into_iter().flatten().collect();
    match places.iter().find(|place| (around.exists)(&place.path)) {
        Some(place) => Ok(place.clone()),
        None => Err(NotFound {
            looked_at: places.into_iter().map(|place| place.path).collect(),
            skipped_here: around.is_root && (around.exists)(&here),
        }),
    }
}

/// [`find`] in this process.
pub(crate) fn find_here(given: Option<&Path>) -> Result<Place, Usage> {
    let found = find(
        given,
        &Surroundings {
            variable: &|name| std::env::var_os(name),
            exists: &Path::is_file,
            is_root: rustix::process::geteuid().is_root(),
        },
    );
    found.map_err(|error| Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_places() {
        #[track_caller]
        fn check(
            given: Option<&str>,
            variables: &[(&str, &str)],
            files: &[&str],
            is_root: bool,
            expect: Option<&str>,
        ) {
            let around = Surroundings {
                variable: &|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()),
                exists: &|path| files.iter().any(|file| Path::new(file) == path),
                is_root,
            };
            let found = find(given.map(Path::new), &around).ok().map(|place| place.path);
            assert_eq!(found.as_deref(), expect.map(Path::new));
        }
        let all = [
            "./weir.yaml",
            "/x/weir/weir.yaml",
            "/h/.config/weir/weir.yaml",
            "/h/.weir.yaml",
            "/etc/weir/weir.yaml",
        ];
        let both = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")];
        let named = [("HOME", "/h"), ("WEIR_CONFIG", "/w.yaml")];
        check(Some("gone.yaml"), &named, &all, false, Some("gone.yaml"));
        check(None, &named, &all, false, Some("/w.yaml"));
        check(None, &[("WEIR_CONFIG", "")], &all, false, Some("./weir.yaml"));
        check(None, &both, &all, false, Some("./weir.yaml"));
        check(None, &both, &all, true, Some("/x/weir/weir.yaml"));
        check(
            None,
            &[("HOME", "/h"), ("XDG_CONFIG_HOME", "rel")],
            &all,
            true,
            Some("/h/.config/weir/weir.yaml"),
        );
        check(None, &both, &all[3..], false, Some("/h/.weir.yaml"));
        check(None, &both, &all[4..], false, Some("/etc/weir/weir.yaml"));
        check(None, &[], &all[4..], true, Some("/etc/weir/weir.yaml"));
        check(None, &both, &[], false, None);
        check(None, &both, &all[..1], true, None);
    }

    #[test]
    fn what_is_not_found_says_where_and_what_to_do() {
        let around = Surroundings {
            variable: &|_| None,
            exists: &|path| path == Path::new("./weir.yaml"),
            is_root: true,
        };
        let says = find(None, &around).unwrap_err().to_string();
        for part in ["looked at /etc/weir/weir.yaml", "not taken as root", "weir init", "weir up"] {
            assert!(says.contains(part), "{says}");
        }
    }
}
