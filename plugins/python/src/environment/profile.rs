//! Profiles: sets of packages with a name.

use indexmap::IndexMap;
use jackfield_plugin_api::Error;

/// The built-in ones.
const BUILT_IN: &[(&str, &[&str])] = &[
    ("base", &["pip", "setuptools", "wheel", "virtualenv"]),
    ("data-science", &["numpy", "pandas", "matplotlib", "scipy", "scikit-learn"]),
    ("machine-learning", &["torch", "transformers", "safetensors", "accelerate", "tokenizers"]),
    ("web", &["flask", "requests", "beautifulsoup4"]),
];

/// The packages of the profile called `name`; `own` are the user's, which go before built-in ones.
///
/// # Errors
/// `python.unknown_profile`, with those that there are.
pub(crate) fn packages(name: &str, own: &IndexMap<String, Vec<String>>) -> Result<Vec<String>, Error> {
    if let Some(packages) = own.get(name) {
        return Ok(packages.clone());
    }
    if let Some((_, packages)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok(packages.iter().map(|it| (*it).to_owned()).collect());
    }
    let mut known: Vec<&str> =
        BUILT_IN.iter().map(|(name, _)| *name).chain(own.keys().map(String::as_str)).collect();
    known.sort_unstable();
    known.dedup();
    let message = format!("there is no profile `{}`; known are {}", name.escape_debug(), known.join(", "));
    Err(Error::new("python.unknown_profile", message)
        .permanent()
        .details(&serde_json::json!({ "known": known })))
}
