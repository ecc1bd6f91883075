"""The client over HTTP: each verb written once, run by a synchronous or an asynchronous driver."""
