//! What is refused before anything is served. How clients fare is tested by one in another language
//! (`tests/interop`).

use tempfile::TempDir;

use super::*;
use crate::config::Config;
use crate::error::Code;
use crate::satellite::Satellite;
use crate::transfer::KeepOptions;

fn satellite() -> (Satellite, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let config = Config::new("clients of others")
        .mdns(false)
        .listen("127.0.0.1:0");
    (Satellite::new(config.data_dir(data.path())).unwrap(), data)
}

#[test]
fn what_cannot_be_served_is_said_before() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (satellite, data) = satellite();
        let files = satellite.files();
        let path = data.path().join("socket");
        let options = || FilestoragedOptions::new(&path, "secret");
        satellite.start().await.unwrap();
        let error = files.serve_filestoraged(options()).await.unwrap_err();
        assert!(error.to_string().contains("call keep first"), "{error}");
        files.keep(KeepOptions::default()).await.unwrap();
        for (options, text) in [
            (FilestoragedOptions::new(&path, ""), "not empty"),
            (
                options().largest(FilestoragedOptions::LARGEST_MAX + 1),
                "1 GiB",
            ),
        ] {
            let error = files.serve_filestoraged(options).await.unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(crate::error::Error::from(error).code(), Code::BadInput);
        }
        assert!(!path.exists());
        files.serve_filestoraged(options()).await.unwrap();
        let elsewhere = FilestoragedOptions::new(data.path().join("other"), "secret");
        let error = files.serve_filestoraged(elsewhere).await.unwrap_err();
        assert!(matches!(error, TransferError::Store(_)), "{error}");
        assert!(!data.path().join("other").exists());
        let debug = format!("{:?}", options());
        assert!(!debug.contains("secret"), "{debug}");
        satellite.shutdown(Duration::from_secs(60)).await.unwrap();
        assert!(!path.exists());
        let error = files.serve_filestoraged(options()).await.unwrap_err();
        assert!(matches!(error, TransferError::Closed), "{error}");
    });
}
