//! From files that changed to a change that is live, or an error and what was in force.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use weir_config::{Style, keep_unchanged};
use weir_gateway::{Gateway, report, secret_files};
use weir_model::Model;

use super::watch::{Stamp, Watch};
use super::{File, Overrides};
use crate::configuration::Text;

/// How much is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Files that are not as they were when they were read last.
    WhatChanged,
    /// All, and the access log is opened again: somebody asked for it.
    Everything,
}

/// Follows the configuration file and the secrets that it names.
#[derive(Debug)]
pub(super) struct Reloader {
    file: Option<File>,
    overrides: Overrides,
    watch: Option<Watch>,
    /// Secret files as they were when they were read last, or before.
    secrets: HashMap<PathBuf, Stamp>,
    /// The gateway refused a valid file, as it does when a certificate is not there yet. These are its secret files: a
    /// change of one of them is a reason to try again.
    refused: Option<Vec<PathBuf>>,
}

impl Reloader {
    /// Begins to watch. What happens to the secrets of `model` from now on is noticed; what has happened to the file
    /// since it was read is found at the first look.
    pub(super) fn start(file: Option<File>, overrides: Overrides, model: &Model) -> Self {
        let watch = match Watch::start() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!("files cannot be watched ({error}); SIGHUP reads them again");
                None
            }
        };
        let mut reloader = Self { file, overrides, watch, secrets: HashMap::new(), refused: None };
        reloader.secrets = reloader.stamps(model);
        reloader.aim();
        reloader
    }

    /// The configuration file.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Something may have happened to a file. Cancel safe.
    pub(super) async fn changed(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Whether something further happens within this time.
    pub(super) async fn again_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.changed()).await.is_ok()
    }

    /// Reads again, and puts in force what is valid.
    pub(super) async fn reload(&mut self, gateway: &Gateway, extent: Extent) {
        let everything = extent == Extent::Everything;
        if everything {
            gateway.access_log().reopen();
        }
        let stamps = self.stamps(&gateway.model());
        let before = std::mem::replace(&mut self.secrets, stamps);
        let secrets_changed =
            self.secrets.iter().any(|(path, stamp)| before.get(path).is_some_and(|before| before != stamp));
        let again = everything || (secrets_changed && self.refused.is_some());
        self.reload_file(gateway, again).await;
        if everything || secrets_changed {
            match gateway.reload_secrets().await {
                Ok(applied) => report(&applied),
                Err(error) => refuse("the certificates and keys", &error.into()),
            }
        }
        // A new file may name other secrets, and links may lead elsewhere.
        for (path, stamp) in self.stamps(&gateway.model()) {
            self.secrets.entry(path).or_insert(stamp);
        }
        self.aim();
    }

    async fn reload_file(&mut self, gateway: &Gateway, again: bool) {
        let Some(file) = &mut self.file else { return };
        let text = match Text::read(&file.path) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!("{error:#}; what is in force serves on");
                return;
            }
        };
        let fingerprint = text.fingerprint();
        if std::mem::replace(&mut file.fingerprint, fingerprint) == fingerprint && !again {
            return;
        }
        let judged = text.judge();
        let (summary, rendered) = (judged.summary(), judged.rendered(Style::Plain));
        let Some(model) = judged.model else {
            tracing::error!("{summary}; what is in force serves on\n{}", rendered.trim_end());
            return;
        };
        if !rendered.is_empty() {
            tracing::warn!("{summary}\n{}", rendered.trim_end());
        }
        let named = secret_files(&model);
        let model = self.overrides.apply(model);
        self.refused = match gateway.change(|current| anyhow::Ok(settle(current, model))).await {
            Ok(applied) => {
                report(&applied);
                None
            }
            Err(error) => {
                refuse(&file.path.display().to_string(), &error);
                Some(named)
            }
        };
        // The text, its tree and what the old model alone held.
        crate::allocator::tidy_up();
    }

    /// Watches what has to be watched now.
    fn aim(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let file = self.file.iter().map(|file| file.path.clone());
        watch.aim(file.chain(self.secrets.keys().cloned()));
    }

    /// The secret files of a model, and of one that was refused, as they are now.
    fn stamps(&self, model: &Model) -> HashMap<PathBuf, Stamp> {
        let mut files = secret_files(model);
        files.extend(self.refused.iter().flatten().cloned());
        files.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
    }
}

/// The new model as it can be put in force: what stays is the same, and what can't change while running stays.
fn settle(current: &Model, mut new: Model) -> Model {
    if new.workers != current.workers {
        tracing::warn!("`workers` takes effect at the next start");
        new.workers = current.workers;
    }
    let places =
        |model: &Model| (model.admin.address, model.admin.socket.clone(), model.admin.token_file.clone());
    if places(current) != places(&new) {
        tracing::warn!("`address`, `socket` and `token_file` of `admin` take effect at the next start");
        new.admin = weir_model::Admin { hosts: new.admin.hosts, ..current.admin.clone() };
    }
    let (store, waits) = weir_model::Telemetry::while_running(current.store.as_ref(), new.store.take());
    new.store = store;
    if !waits.is_empty() {
        let verb = if waits.len() == 1 { "takes" } else { "take" };
        tracing::warn!("`{}` {verb} effect at the next start", waits.join("`, `"));
    }
    keep_unchanged(current, new)
}

fn refuse(what: &str, error: &anyhow::Error) {
    tracing::error!("{what} cannot be put in force: {error:#}; what is in force serves on");
}
