//! `kith export`: writes everything as NDJSON that `kith import` reads back.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::client::{Client, ServerArgs};
use super::failure::Failure;
use super::json;
use super::new_file::NewFile;
use super::print::{Written, records, say};
use super::progress::Progress;
use super::serve::stop_signal;
use super::thread::on_thread;
use crate::app::{OfflineError, export_store};
use crate::domain::NamespaceName;
use crate::proto::v1::import_record::Record;
use crate::proto::v1::{ContentTotals, ExportRequest, ImportRecord};

/// Writes all that a namespace holds at one revision, a JSON object a line, as `kith import` reads them.
///
/// A file is there when it is whole, not before. Imported into an empty store it makes the same one, with times and etags. Revisions and
/// request ids are not in it: those are `kith backup`'s.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file, gzipped if its name ends in .gz; - is standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    force: bool,
    /// The folder of a store that nobody serves; the server is asked when not given. What is held in memory is the members' ids
    /// and the changes since the last checkpoint, so that a store can be taken out of a machine that is too small to serve it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What is kept of this member alone, be its processing restricted: itself, its statuses, edges, blocks and tally.
    #[arg(long, value_name = "ID", conflicts_with = "data")]
    member: Option<String>,
}

/// Exports, and reports how much it was.
pub async fn run(args: ExportArgs, server: &ServerArgs) -> Result<(), Failure> {
    let namespace = server.namespace.clone().unwrap_or_default();
    let source = match &args.data {
        Some(folder) => Source::Folder(folder.clone(), namespace),
        None => Source::Server(Box::new(server.connect().await?), namespace, args.member.unwrap_or_default()),
    };
    if args.file == Path::new("-") {
        let (exported, mut out) = source.export(BufWriter::new(io::stdout())).await?;
        out.flush().map_err(unwritable)?;
        // The records themselves are on standard output.
        eprintln!("{}", exported.in_words());
        return Ok(());
    }
    let (new, file) = NewFile::create(&args.file, args.force)?;
    let out = Output::of(&args.file, file);
    let (exported, out) = tokio::select! {
        exported = source.export(out) => exported?,
        () = stop_signal()? => return Err(Failure::new("interrupted")),
    };
    new.keep(&out.finish().map_err(unwritable)?)?;
    let name = args.file.display();
    say(&if server.json { exported.json(&args.file) } else { format!("{name}: {}\n", exported.in_words()) })
}

/// Returns the failure of an output that cannot be written.
pub fn unwritable(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::new(format!("can't write: {error}")),
    }
}

enum Source {
    /// A server, the namespace, and the member whose own export is asked for.
    Server(Box<Client>, NamespaceName, String),
    /// A store that nobody serves, and the namespace.
    Folder(PathBuf, NamespaceName),
}

impl Source {
    /// Writes every record to `out`, which is returned.
    async fn export<W: Write + Send + 'static>(self, mut out: W) -> Result<(Written, W), Failure> {
        match self {
            Source::Server(client, namespace, member_id) => {
                export(&client, namespace, member_id, &mut out).await.map(|exported| (exported, out))
            }
            Source::Folder(folder, namespace) => {
                let export = move || export_folder(&folder, &namespace, &mut out).map(|exported| (exported, out));
                on_thread("kith-export", export).await?
            }
        }
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Failure {
        Failure::of_start(error.to_string())
    }
}

fn export_folder(folder: &Path, namespace: &NamespaceName, out: &mut impl Write) -> Result<Written, Failure> {
    let stored = export_store(folder, namespace, |record| write_line(&record, out))?;
    let totals = ContentTotals {
        kinds: stored.kinds as i64,
        members: stored.members as i64,
        statuses: stored.statuses as i64,
        edges: stored.edges as i64,
        blocks: stored.blocks as i64,
        introducer_tallies: stored.introducer_tallies as i64,
        content_digest: format!("{:032x}", stored.digest),
    };
    Ok(Written { verb: "exported", namespace: Some(namespace.clone()), revision: stored.revision, totals, bytes: None })
}

fn write_line(record: &ImportRecord, out: &mut impl Write) -> Result<(), Failure> {
    let line = line(record)?;
    out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(unwritable)
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Output {
    fn of(path: &Path, file: File) -> Output {
        let file = BufWriter::new(file);
        match path.extension() {
            Some(extension) if extension == "gz" => Output::Gzip(GzEncoder::new(file, Compression::default())),
            _ => Output::Plain(file),
        }
    }

    fn finish(self) -> io::Result<File> {
        let file = match self {
            Output::Plain(file) => file,
            Output::Gzip(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(file) => file.write(bytes),
            Output::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Plain(file) => file.flush(),
            Output::Gzip(encoder) => encoder.flush(),
        }
    }
}

/// Writes every record of an export to its end.
async fn export(
    client: &Client,
    namespace: NamespaceName,
    member_id: String,
    out: &mut impl Write,
) -> Result<Written, Failure> {
    let request = ExportRequest { member_id, ..ExportRequest::default() };
    let mut stream = client.data().export(request).await?.into_inner();
    let first = stream.message().await?.ok_or_else(|| Failure::new("the server sent nothing"))?;
    let totals = first.totals.ok_or_else(|| Failure::new("the server did not say how much is to come"))?;
    let progress = Progress::start("exporting", records(&totals));
    let mut came = ContentTotals { content_digest: totals.content_digest.clone(), ..ContentTotals::default() };
    while let Some(message) = stream.message().await? {
        progress.add(message.records.len() as u64);
        for record in &message.records {
            tally(&mut came, record)?;
            write_line(record, out)?;
        }
    }
    if came != totals {
        return Err(Failure::new(format!("the export is not whole: {came:?} came of {totals:?}")));
    }
    Ok(Written { verb: "exported", namespace: Some(namespace), revision: first.revision, totals, bytes: None })
}

/// Returns the record's line, which is the same whenever it is exported.
fn line(record: &ImportRecord) -> Result<String, Failure> {
    // Labels are a map, whose keys would come in any order.
    let has_map = match &record.record {
        Some(Record::Member(_)) => true,
        Some(Record::Edge(edge)) => !edge.labels.is_empty(),
        _ => false,
    };
    if has_map { json::compact_sorted("ImportRecord", record) } else { json::compact("ImportRecord", record) }
}

fn tally(came: &mut ContentTotals, record: &ImportRecord) -> Result<(), Failure> {
    match record.record {
        Some(Record::Kind(_)) => came.kinds += 1,
        Some(Record::Member(_)) => came.members += 1,
        Some(Record::Status(_)) => came.statuses += 1,
        Some(Record::Edge(_)) => came.edges += 1,
        Some(Record::Block(_)) => came.blocks += 1,
        Some(Record::IntroducerTally(_)) => came.introducer_tallies += 1,
        // Erased members and kinds that are not there are not counted as content.
        Some(Record::AbsentKind(_) | Record::Erased(_)) => {}
        None => return Err(Failure::new("the server sent a record that this version of kith does not know")),
    }
    Ok(())
}
