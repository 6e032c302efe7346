//! Weir's own metrics, noted every few seconds: read as a scrape would read them, without the way over the network.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use weir_emit::metrics::Registry;
use weir_intake::Limits;
use weir_intake::exposition::{Description, Format, Options, Sample, Visitor, read};
use weir_signal::{HistogramSample, LabelsBuilder, Metadata, MetricSink, Reason, Refusal, Tenant};
use weir_store::MetricAppender;

use super::SERVICE;
use crate::engine::{Engine, now_ms};

/// Notes what `registry` holds, until it is told to stop.
pub(crate) async fn watch(
    engine: Arc<Engine>,
    registry: Registry,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let (engine, registry) = (engine.clone(), registry.clone());
        let noted = tokio::task::spawn_blocking(move || note(&engine, &registry)).await;
        match noted {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => tracing::debug!(%refusal, "Weir's own metrics were not noted"),
            Err(panic) => tracing::error!(%panic, "noting Weir's own metrics panicked"),
        }
    }
}

fn note(engine: &Engine, registry: &Registry) -> Result<(), Refusal> {
    // Merges may have met some since.
    engine.tell_damage();
    let text = registry.render();
    let mut sink = engine.store().metrics(&Tenant::default());
    let mut visitor = Noting { sink: &mut sink, builder: LabelsBuilder::new(), now_ms: now_ms() };
    read(Format::Text, text.as_bytes(), Options::default(), &Limits::default(), &mut visitor)?;
    sink.commit(None).map(drop)
}

struct Noting<'a> {
    sink: &'a mut MetricAppender,
    builder: LabelsBuilder,
    now_ms: i64,
}

impl Visitor for Noting<'_> {
    fn metadata(&mut self, name: &str, description: Description<'_>) -> Result<(), Refusal> {
        let Description { kind, unit, help } = description;
        self.sink.metadata(name, Metadata { kind, unit: unit.into(), help: help.into() });
        Ok(())
    }

    fn sample(&mut self, sample: &Sample<'_>, value: f64) -> Result<(), Refusal> {
        sample.labels(&mut self.builder)?;
        self.builder.set("job", SERVICE);
        let labels = self.builder.build().map_err(|error| Refusal::new(Reason::Labels, error.to_string()))?;
        let time_ms = self.now_ms;
        let taken =
            self.sink.series(None, &labels).and_then(|series| self.sink.sample(series, time_ms, value, 0));
        // One that the store refuses is counted, and the others go on.
        taken.or_else(|refusal| self.sink.refused().note(&labels, refusal, 1))
    }

    fn histogram(&mut self, _: &Sample<'_>, _: HistogramSample) -> Result<(), Refusal> {
        // The text format has none.
        Ok(())
    }
}
