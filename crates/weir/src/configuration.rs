//! A configuration file, read and judged.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use weir_config::{Diagnostic, Loaded, Severity, Source, Style};
use weir_emit::logging::LogFormat;
use weir_model::Model;

use crate::stages::{Run, Said};
use crate::terminal::{complain, count};

/// A configuration as it was read.
#[derive(Debug)]
pub(crate) struct Text {
    /// Its path, or a word for what has none.
    pub(crate) name: String,
    /// What relative file names in it are joined to.
    base: PathBuf,
    bytes: Vec<u8>,
}

impl Text {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
            return Ok(Self { name: "standard input".into(), base: PathBuf::new(), bytes });
        }
        let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { name: path.display().to_string(), base, bytes })
    }

    /// One that no file holds.
    pub(crate) fn built_in(text: &str) -> Self {
        Self { name: "built in".into(), base: PathBuf::new(), bytes: text.as_bytes().to_owned() }
    }

    /// Tells one text from another.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        hasher.finish()
    }

    /// Finds all that is wrong with it, or the model that it stands for.
    pub(crate) fn judge(self) -> Judged {
        let Loaded { model, diagnostics } = weir_config::load_bytes(&self.name, &self.bytes, &self.base);
        // The text is only needed where something is to be shown of it.
        let bytes = if diagnostics.is_empty() { &[][..] } else { &self.bytes };
        let text = String::from_utf8_lossy(bytes).into_owned();
        Judged { name: self.name, model, diagnostics, text, base: self.base }
    }
}

/// A text with all that is known of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Its path, or a word for what has none.
    pub(crate) name: String,
    /// The model, where nothing is wrong.
    pub(crate) model: Option<Model>,
    /// Errors and warnings.
    pub(crate) diagnostics: Vec<Diagnostic>,
    text: String,
    base: PathBuf,
}

impl Judged {
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    pub(crate) fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// All that is wrong, with the lines underlined.
    pub(crate) fn rendered(&self, style: Style) -> String {
        weir_config::render(&self.source(), &self.diagnostics, style)
    }

    /// The same for machines.
    pub(crate) fn json(&self) -> serde_json::Value {
        weir_config::to_json(&self.source(), &self.diagnostics)
    }

    /// The model, for whoever serves it. What is wrong goes to the log where programs read it, else to standard error.
    pub(crate) fn into_model(self, run: &Run) -> anyhow::Result<Model> {
        let summary = self.summary();
        let json = run.settings.log_format == LogFormat::Json;
        match self.model {
            Some(_) if self.diagnostics.is_empty() => {}
            Some(_) => tracing::warn!("{summary}\n{}", self.rendered(Style::Plain).trim_end()),
            None if json => tracing::error!("{summary}\n{}", self.rendered(Style::Plain).trim_end()),
            None => complain(&format!("{}{summary}\n", self.rendered(run.settings.stderr().style()))),
        }
        self.model.ok_or_else(|| Said(summary).into())
    }

    /// `weir.yaml: 2 errors, 1 warning`.
    pub(crate) fn summary(&self) -> String {
        let (errors, warnings) = (self.errors(), self.warnings());
        let mut parts = Vec::new();
        if errors > 0 {
            parts.push(count(errors, "error"));
        }
        if warnings > 0 {
            parts.push(count(warnings, "warning"));
        }
        if errors == 0 {
            parts.insert(0, "valid".into());
        }
        format!("{}: {}", self.name, parts.join(", "))
    }
    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text, base: &self.base }
    }
}
