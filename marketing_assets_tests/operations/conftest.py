from marketing_assets_tests.storage.conftest import object_store_server, s3  # noqa: F401 (fixtures)
