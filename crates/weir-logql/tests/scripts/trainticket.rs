//! Lines of TrainTicket: one minute of all its services, 2023-01-29 from 08:42:22 on.

use std::io::Read as _;
use std::path::PathBuf;

use weir_logql::memory::MemoryLogs;
use weir_signal::Labels;

fn archive() -> Option<PathBuf> {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("data/nezha-trainticket.tar.zst");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", path.display());
    println!("not run: {} is not there", path.display());
    None
}

/// The first file of logs in the archive, as a shipper sends it: service, node and output name the stream, the ids are
/// metadata, the line is what the program wrote.
pub(crate) fn load() -> Option<MemoryLogs> {
    let mut decoder = zstd::stream::read::Decoder::new(std::fs::File::open(archive()?).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut head = [0; 512];
    loop {
        decoder.read_exact(&mut head).unwrap();
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&head[from..to]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
        let mut body = vec![0; size.next_multiple_of(512)];
        decoder.read_exact(&mut body).unwrap();
        if text(0, 100).ends_with("_log.csv") {
            return Some(read(std::str::from_utf8(&body[..size]).unwrap()));
        }
    }
}

fn read(csv: &str) -> MemoryLogs {
    let mut logs = MemoryLogs::new();
    for row in csv.lines().skip(1) {
        let mut fields = row.splitn(8, ',');
        let [_, time, node, pod, _, trace, span] = std::array::from_fn(|_| fields.next().unwrap());
        let json = fields.next().unwrap().trim_matches('"').replace("\"\"", "\"");
        let (log, rest) = json.strip_prefix(r#"{"log":""#).unwrap().split_once(r#"","stream":""#).unwrap();
        let log = log.replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&");
        let line = log.replace("\\n", "").replace("\\t", "\t").replace("\\\"", "\"").replace("\\\\", "\\");
        let service = pod.rsplitn(3, '-').last().unwrap();
        let output = rest.split('"').next().unwrap();
        let stream = Labels::from_pairs([("service", service), ("node", node), ("stream", output)]).unwrap();
        let metadata = Labels::from_pairs([("trace_id", trace), ("span_id", span)]).unwrap();
        logs.push(&stream, time.parse().unwrap(), &line, &metadata);
    }
    logs
}
