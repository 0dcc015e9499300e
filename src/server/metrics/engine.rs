//! The metrics of the engine, collected when the page is read.

use std::fmt::Error;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::histogram::Histogram;

use crate::engine::{ClockMetrics, Engine, LaneMetrics, MemoryMetrics, Namespaces, resident};
use crate::server::body::panics;

/// Clones share the engine.
#[derive(Clone, Default)]
pub struct EngineMetrics {
    engine: Arc<OnceLock<Engine>>,
}

/// How many namespaces have a line of their own.
const NAMESPACES_SHOWN: usize = 20;

impl std::fmt::Debug for EngineMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineMetrics")
    }
}

impl EngineMetrics {
    /// Sets the engine, of which there is one.
    pub fn open(&self, engine: Engine) {
        let _ = self.engine.set(engine);
    }
}

impl Collector for EngineMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Writing(encoder);
        let engine = self.engine.get();
        let panicked = panics() as u64 + engine.map_or(0, |engine| engine.threads().panics());
        page.counter("kith_panics", "Handlers and threads that panicked", &[(("", ""), panicked)])?;
        page.gauge("process_resident_memory_bytes", "Memory that the process occupies", resident())?;
        let Some(engine) = engine else { return Ok(()) };
        page.content(&engine.namespaces())?;
        page.queries(engine)?;
        page.writes(engine)?;
        page.archive(engine)?;
        let store = engine.store_metrics();
        page.gauge("kith_store_disk_bytes", "Bytes that the store takes on disk", store.disk_bytes)?;
        page.gauge("kith_store_log_bytes", "Bytes of commands after the newest checkpoint", store.log_bytes)
    }
}

/// A label with its value; no label if it is empty.
type Label = (&'static str, &'static str);

struct Writing<'a>(DescriptorEncoder<'a>);

impl Writing<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges(&mut self, name: &str, help: &str, values: &[(Label, usize)]) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.iter().try_for_each(|(label, value)| metric.encode_family(&[*label])?.encode_gauge(&(*value as u64)))
    }

    fn counter(&mut self, name: &str, help: &str, values: &[(Label, u64)]) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (label, value) in values {
            let value = ConstCounter::new(*value);
            if label.0.is_empty() {
                return value.encode(metric);
            }
            value.encode(metric.encode_family(&[*label])?)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, help: &str, counter: &Counter) -> Result<(), Error> {
        self.counter(name, help, &[(("", ""), counter.get())])
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> Result<(), Error> {
        histogram.encode(self.0.encode_descriptor(name, help, None, MetricType::Histogram)?)
    }

    fn content(&mut self, namespaces: &Namespaces) -> Result<(), Error> {
        let (totals, default) = (namespaces.totals(), namespaces.default_state());
        self.gauge("kith_namespaces", "Namespaces, the default one too", namespaces.namespace_count() as u64)?;
        self.gauge("kith_members", "Members of all namespaces", totals.rows.members)?;
        self.gauge("kith_erased_ids", "Erased members whose ids are remembered", totals.erased)?;
        self.gauge("kith_request_ids", "Request ids of the last 24 hours", totals.rows.requests)?;
        self.gauge("kith_request_ids_bytes", "Memory that they take, about", totals.request_bytes.total())?;
        self.gauge("kith_statuses", "Statuses of all namespaces", totals.rows.statuses)?;
        let help = "Edges of the default namespace by kind, and those of all others together";
        let mut edges = self.0.encode_descriptor("kith_edges", help, None, MetricType::Gauge)?;
        for (ix, kind) in default.graph().kinds() {
            edges.encode_family(&[("kind", kind.name.as_str())])?.encode_gauge(&default.graph().kind_uses(ix))?;
        }
        // Each namespace names its kinds as it likes, so that there is no end of them.
        let others = totals.rows.edges - default.edge_count();
        edges.encode_family(&[("kind", "_other_namespaces")])?.encode_gauge(&others)?;
        self.largest(namespaces)?;
        self.gauge("kith_revision", "The sequence of the newest command", namespaces.sequence())?;
        let time = namespaces.time().0 as f64 / 1_000.0;
        self.gauge("kith_revision_timestamp_seconds", "When it was accepted, in seconds since 1970", time)
    }

    /// The namespaces that hold the most: there is no end of the others, so that they are counted together.
    fn largest(&mut self, namespaces: &Namespaces) -> Result<(), Error> {
        let help = "Members of the namespaces that have the most, and of all others together";
        let mut gauge = self.0.encode_descriptor("kith_namespace_members", help, None, MetricType::Gauge)?;
        let mut others = namespaces.totals().rows.members;
        for (members, name) in namespaces.largest().take(NAMESPACES_SHOWN) {
            others -= members;
            gauge.encode_family(&[("namespace", name.as_str())])?.encode_gauge(&members)?;
        }
        gauge.encode_family(&[("namespace", "_others")])?.encode_gauge(&others)
    }

    fn queries(&mut self, engine: &Engine) -> Result<(), Error> {
        let metrics = engine.metrics();
        let lanes = [("at_once", &metrics.at_once), ("short", &metrics.short), ("long", &metrics.long)];
        let by_lane = |count: fn(&LaneMetrics) -> &Counter| lanes.map(|(lane, of)| (("lane", lane), count(of).get()));
        self.counter(
            "kith_queries",
            "Queries begun, by lane; one that goes on in the next lane counts there too",
            &by_lane(|of| &of.queries),
        )?;
        self.counter(
            "kith_query_edges_visited",
            "Half-edges that queries looked at",
            &by_lane(|of| &of.edges_visited),
        )?;
        self.counter(
            "kith_queries_refused",
            "Queries refused because too many of their caller waited",
            &by_lane(|of| &of.refused)[1..2],
        )?;
        self.counter(
            "kith_queries_ended_early",
            "Queries that a limit ended before they were complete",
            &[
                (("limit", "edges_visited"), metrics.ended_by_budget.get()),
                (("limit", "deadline"), metrics.ended_by_deadline.get()),
                (("limit", "cancelled"), metrics.ended_by_caller.get()),
            ],
        )?;
        let (short, long) = (engine.short_lane(), engine.long_lane());
        let both = |short, long| [(("lane", "short"), short), (("lane", "long"), long)];
        self.gauges("kith_queries_running", "Queries that have a permit", &both(short.running, long.running))?;
        let help = "Queries that wait for one, begun or not";
        self.gauges("kith_queries_waiting", help, &both(short.waiting, long.waiting))?;
        self.count("kith_query_yields", "How often a query gave its permit up to another one", &metrics.yields)
    }

    fn memory(&mut self, memory: MemoryMetrics) -> Result<(), Error> {
        let max = memory.bytes_max;
        self.gauge("kith_memory_max_bytes", "Bytes of memory that the server may take; 0 without a bound", max)?;
        let start = memory.start_bytes;
        self.gauge("kith_memory_start_bytes", "Bytes that a start of the content would take at its peak", start)?;
        let is_full = u64::from(memory.is_full);
        self.gauge("kith_memory_full", "1 while writes that grow the content are refused, else 0", is_full)
    }

    fn clock(&mut self, clock: ClockMetrics) -> Result<(), Error> {
        let apart = clock.apart_ms as f64 / 1_000.0;
        self.gauge("kith_clock_apart_seconds", "The wall clock less the log's own time", apart)?;
        let waits = u64::from(clock.waits);
        self.gauge("kith_clock_waits", "1 while writes wait for the wall clock to be accepted, else 0", waits)?;
        self.counter("kith_clock_jumps", "Jumps of the wall clock, which were not followed", &[(("", ""), clock.jumps)])
    }

    fn archive(&mut self, engine: &Engine) -> Result<(), Error> {
        let (metrics, newest) = (engine.metrics(), engine.namespaces().sequence());
        let help = "When the newest backup of everything was whole, in seconds since 1970; 0 if none is known of";
        self.gauge("kith_backup_timestamp_seconds", help, metrics.backup_time_seconds.get())?;
        let (archive, lag) = (&metrics.archive, metrics.archive.lag(newest));
        self.gauge("kith_archive_revision", "The sequence through which the log is archived", archive.sequence.get())?;
        self.gauge("kith_archive_lag_commands", "Commands that the archive lacks; 0 without an archive", lag.commands)?;
        let help = "For how long it has lacked the first of them, at most";
        self.gauge("kith_archive_lag_seconds", help, lag.time.as_secs_f64())?;
        self.count("kith_archive_failures", "How often archiving failed; it is tried again", &archive.failures)
    }

    fn writes(&mut self, engine: &Engine) -> Result<(), Error> {
        let metrics = engine.metrics();
        let behind = metrics.erasure_journal_behind.get();
        self.gauge("kith_erasure_journal_behind", "1 while an erasure is not in its journal, else 0", behind)?;
        let most = engine.options().request_ids_bytes_max;
        self.gauge("kith_request_ids_bytes_max", "Memory that request ids may take", most)?;
        self.clock(engine.clock_metrics())?;
        self.memory(engine.memory_metrics())?;
        self.gauge(
            "kith_write_queue",
            "Orders that wait for the writer: commands, and now and then a checkpoint",
            engine.orders_waiting() as u64,
        )?;
        self.count("kith_commands", "Commands put on disk", &metrics.commands)?;
        self.histogram("kith_batch_commands", "Commands put on disk together", &metrics.batch_commands)?;
        self.histogram("kith_append_seconds", "What writing and syncing a batch took", &metrics.append_seconds)?;
        self.count("kith_batches_refused", "Batches that could not be put on disk", &metrics.batches_refused)?;
        self.count("kith_prepared", "Long commands that were prepared beside others", &metrics.prepared)?;
        let help = "How often the preparation of a long command was begun anew";
        self.count("kith_prepared_anew", help, &metrics.prepared_anew)?;
        self.count("kith_checkpoints", "Checkpoints written", &metrics.checkpoints)?;
        self.count("kith_checkpoints_failed", "Checkpoints that could not be written", &metrics.checkpoints_failed)?;
        let covered = metrics.checkpoint_sequence.get();
        self.gauge("kith_checkpoint_revision", "The sequence that the newest checkpoint covers", covered)?;
        let time = metrics.checkpoint_time_seconds.get();
        let help = "When the newest command that it covers was accepted, in seconds since 1970; 0 without one";
        self.gauge("kith_checkpoint_timestamp_seconds", help, time)?;
        let due = metrics.checkpoint_due.duration().as_secs_f64();
        self.gauge("kith_checkpoint_due_seconds", "For how long a checkpoint is due that has not come", due)?;
        self.count("kith_scrubs", "Times that all that is on disk was read again", &metrics.scrubs)?;
        let help = "What was found on disk that is not what was written; it is written anew";
        self.count("kith_scrub_findings", help, &metrics.scrub_findings)
    }
}
