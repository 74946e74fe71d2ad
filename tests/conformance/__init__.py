"""The Autobahn test suite against our listener: `make conformance`, in short `make test`."""
