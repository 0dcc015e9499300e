//! Every store and every export that a version wrote comes to the same: content, times, etags and digest.
//!
//! `tests/durable/fixtures` has one of each format, `format-N` and `format-N.ndjson`. A new format's are written by
//! `KITH_WRITE_FIXTURE=DIR cargo test --release --test durable fixture` and `kith export format-N.ndjson --data DIR`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::{ExportRequest, ImportRecord};
use tonic::transport::Channel;

use crate::answers::answers;
use crate::harness::{Served, kith};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durable/fixtures");

/// The stores and the exports of all formats, by the format's name.
fn kept(is_store: bool) -> BTreeSet<PathBuf> {
    let paths = fs::read_dir(FIXTURES).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir() == is_store).map(|path| path.with_extension("")).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// The lines of an export, in no order: a server and a store that nobody serves give them in another.
fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

/// All that a server has, and how it answers each resource. Who was erased is forgotten some day.
async fn everything(served: &Served) -> (Vec<ImportRecord>, Vec<String>) {
    let channel = Channel::from_shared(served.url.clone()).unwrap().connect().await.unwrap();
    let mut stream =
        DataServiceClient::new(channel.clone()).export(ExportRequest::default()).await.unwrap().into_inner();
    let mut records = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        records.extend(message.records);
    }
    records.retain(|record| !matches!(record.record, Some(Record::Erased(_))));
    let answers = answers(channel, &records).await;
    (records, answers)
}

#[test]
fn every_kept_store_and_export_comes_to_the_same() {
    let kept_stores = kept(true);
    assert!(!kept_stores.is_empty() && kept_stores == kept(false), "each format has a store and an export");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for format in kept_stores {
        let export = format.with_extension("ndjson");
        let text = fs::read_to_string(&export).unwrap();
        let folder = Rc::new(tempfile::tempdir().unwrap());
        let store = folder.path().join("store");
        copy(&format, &store);
        let exported = kith(&["export", "--data", store.to_str().unwrap()]);
        assert!(exported.code == Some(0) && lines(&exported.out) == lines(&text), "{format:?}: {}", exported.err);

        // Statuses that have expired by now are kept.
        let served = |folder| {
            Served::again(folder, |serve| {
                serve.env("KITH_STATUS_RETENTION_DAYS", "99999");
            })
        };
        let (opened, imported) = (served(folder), served(Rc::new(tempfile::tempdir().unwrap())));
        let import = imported.kith(&["import", export.to_str().unwrap(), "--no-create-members"]);
        assert_eq!(import.code, Some(0), "{}{}", import.out, import.err);
        assert_eq!(imported.stats()["contentDigest"], opened.stats()["contentDigest"]);
        let (records, answers) = runtime.block_on(everything(&opened));
        assert_eq!(runtime.block_on(everything(&imported)), (records, answers));
    }
}
