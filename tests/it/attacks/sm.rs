//! HTTP/1.x message framing and request smuggling: one reading of where a request begins and ends.
